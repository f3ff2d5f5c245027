//! Every order of every step.

use ferrotp_model::{ALLOWED, Attempts, Fault, KEPT, Kind, NOT_LOST, ONCE, OWN, PROGRESS, Typed};
use stateright::{Checker, Model};

/// All wrong; one right; the same right code three times; two steps that are new, and a wrong one.
const TYPED: [[Typed; 3]; 5] = [[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 2, 0], [1, 2, 2]];

#[test]
fn each_kind_of_store_keeps_what_is_promised() {
    for kind in [Kind::Lock, Kind::CompareAndSet, Kind::TwoScripts] {
        for typed in TYPED {
            let checker = Attempts { kind, fault: Fault::None, typed }.checker().spawn_bfs().join();
            println!("{kind:?}, {typed:?}: {} states", checker.unique_state_count());
            checker.assert_properties();
            assert!(checker.unique_state_count() > 1000);
        }
    }
}

/// Whether the checker finds it, for anything that is typed.
fn is_found(kind: Kind, fault: Fault, property: &'static str) -> bool {
    TYPED.into_iter().any(|typed| {
        Attempts { kind, fault, typed }.checker().spawn_bfs().join().discovery(property).is_some()
    })
}

#[test]
fn each_fault_is_found() {
    use {Fault::*, Kind::*};
    for (kind, fault, property) in [
        (Lock, AnswersEarly, KEPT),
        (Lock, AnswersEarly, NOT_LOST),
        (Lock, SyncsLater, NOT_LOST),
        (Lock, ReadsBeforeTheLock, ONCE),
        (Lock, ReadsBeforeTheLock, ALLOWED),
        (Lock, CommitsTwice, ONCE),
        (Lock, WaitsForEver, PROGRESS),
        (CompareAndSet, AnswersEarly, KEPT),
        (CompareAndSet, AnswersEarly, ALLOWED),
        (CompareAndSet, SyncsLater, NOT_LOST),
        (CompareAndSet, IgnoresTheBudget, ALLOWED),
        (CompareAndSet, IgnoresTheRecord, ONCE),
        (TwoScripts, AnswersEarly, KEPT),
        (TwoScripts, SyncsLater, NOT_LOST),
        (TwoScripts, IgnoresTheBudget, ALLOWED),
        (TwoScripts, IgnoresTheRecord, ONCE),
        (TwoScripts, SendsAgain, OWN),
    ] {
        assert!(is_found(kind, fault, property), "{kind:?}, {fault:?}: {property}");
    }
}
