// Package auth decides login attempts. Engine.Decide is the one function that
// every login of every door passes through: it resolves the claimant to an
// account, applies the throttle and the policy (rules, exemptions, logins that
// are open already), lets factors verify what was presented, and commits the
// verdict, what it spends and its event together before anyone is answered.
//
// The package holds the words of the product: Attempt, Evidence, Account,
// Authenticator, Factor, Finding, Settlement, Event, Decision and the closed
// catalogue of Outcomes. Terms are those of NIST SP 800-63B-4. It opens no
// socket, file or database and reads no clock; doors bring attempts and the
// time, a Store keeps the facts.
//
// Three rules shape everything here:
//
//   - A refusal is not an error. A wrong code is an Outcome; a broken disk is
//     an error, and every error ends in the verdict Unavailable, which lets
//     nobody in.
//   - Counts come before answers. A Settlement names the version of the facts
//     that it rests on, Store.Commit refuses it if they have moved, and nobody
//     is told a verdict that is not on disk.
//   - What the claimant is told never depends on which part was wrong. The
//     engine does the same work for a name that does not exist as for one that
//     does, and the catalogue gives the same sentence.
package auth
