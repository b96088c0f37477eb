//go:build race

package e2e

// raceDetector says that the tests, and so the servers they start, run with
// the race detector.
const raceDetector = true
