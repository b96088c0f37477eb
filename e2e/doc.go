// Package e2e tests the built program from outside, as its users meet it: the
// commands of its contract, UDP packets of real peers, files on a real disk.
// Nothing of the program runs inside the tests.
//
// The tests need Linux, because RADIUS clients are told apart by their source
// addresses and only Linux gives a host the whole of 127.0.0.0/8. Faults of the
// disk and of permissions also need root. Peers that are not installed
// (radclient, freeradius, oathtool) are an error where the environment says
// CI=true, and elsewhere skip their test.
package e2e
