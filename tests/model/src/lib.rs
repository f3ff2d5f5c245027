//! A model of `Store.attempt`: three processes try a code each on one factor, and any of them crashes or stands still
//! before and after each step, while the power may fail. `tests/checked.rs` has every order of that looked at.
//!
//! A step is a statement of the code, and has its name: `tests/test_model.py` holds that.

use std::hash::Hash;

use stateright::{Model, Property};

/// How a store decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SQLite, and Django's store: one transaction under a lock.
    Lock,
    /// PostgreSQL: read without a lock, and one statement that changes what is as it was read.
    CompareAndSet,
    /// Redis: the same by two scripts, which the server answers when its log is on the disk.
    TwoScripts,
}

impl Kind {
    /// The statements of a decision that accepts a code, in their order.
    pub fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Lock => &["begin", "count", "found", "advance", "refund", "commit"],
            Self::CompareAndSet | Self::TwoScripts => &["look", "settle"],
        }
    }
}

/// What is wrong on purpose, so that the checks are seen to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing is.
    None,
    /// A code is answered before what it came to is kept.
    AnswersEarly,
    /// Kept is what no disk has yet.
    SyncsLater,
    /// Lock: what is decided by was read before the lock was there.
    ReadsBeforeTheLock,
    /// Lock: there is no end to the wait for it.
    WaitsForEver,
    /// Lock: the count is written by a transaction of its own, and the factor advanced after it by what was read.
    CommitsTwice,
    /// Compare-and-set: the budget may have changed.
    IgnoresTheBudget,
    /// Compare-and-set: the factor's record may have changed.
    IgnoresTheRecord,
    /// Scripts: what may have been run is run again, and that it changes nothing is taken for a loss.
    SendsAgain,
}

/// Wrong codes that are looked at in a row.
pub const ALLOWANCE: u8 = 2;
/// Processes.
pub const PROCESSES: usize = 3;

/// What a store keeps of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    last_step: u8,
    failures: u8,
}

/// What a process types: the code of a step, or 0 for a wrong one.
pub type Typed = u8;

/// How far a process is: what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Begin,
    Count,
    Found,
    Advance,
    Refund,
    Commit,
    Look,
    Settle,
    Answer,
    Done,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Verdict {
    /// Not looked at.
    Throttled,
    No,
    Yes,
}

/// Whether a process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Runs,
    StandsStill,
    Dead,
}

/// A process with its one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    typed: Typed,
    at: At,
    life: Life,
    /// As it was read.
    was: Record,
    verdict: Option<Verdict>,
    /// Whether the verdict is on the disk, and how many codes had been accepted when it came there.
    kept: Option<u8>,
    was_accepted: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What others read.
    record: Record,
    /// What is there after the power failed.
    on_disk: Record,
    lock: Option<usize>,
    /// What the transaction under the lock has written so far.
    written: Record,
    processes: [Process; PROCESSES],
    /// How often each step was accepted.
    accepted: [u8; PROCESSES + 1],
    /// Answers that said no since the last code was accepted, and in all.
    told_no: u8,
    told_no_in_all: u8,
    /// The steps of which somebody was told yes.
    told_yes: [u8; PROCESSES + 1],
    answered_unkept: bool,
    refused_by_itself: bool,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A process does its next step.
    Step(usize),
    /// It ends its wait for the lock: its deadline is over.
    GiveUp(usize),
    /// The answer to its last statement is lost: it says that the store is unavailable.
    LoseAnswer(usize),
    Crash(usize),
    StandStill(usize),
    Wake(usize),
    PowerFails,
}

/// A store of a kind, and what is typed.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// How it decides.
    pub kind: Kind,
    /// What is wrong.
    pub fault: Fault,
    /// By each process.
    pub typed: [Typed; PROCESSES],
}

impl Attempts {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn begins_at(&self) -> At {
        if self.kind == Kind::Lock { At::Begin } else { At::Look }
    }

    /// What `decide` says of a code, by what was read.
    fn verdict(was: Record, typed: Typed) -> Verdict {
        if was.failures >= ALLOWANCE {
            Verdict::Throttled
        } else if typed > was.last_step {
            Verdict::Yes
        } else {
            Verdict::No
        }
    }

    /// What an attempt makes of a record.
    fn changed(was: Record, typed: Typed, verdict: Verdict) -> Record {
        match verdict {
            Verdict::Throttled => was,
            Verdict::No => Record { failures: was.failures + 1, ..was },
            Verdict::Yes => Record { last_step: typed, failures: 0 },
        }
    }

    /// Others see it, and if nothing is wrong it is on the disk.
    fn keep(&self, state: &mut State, index: usize, record: Record) {
        let process = &mut state.processes[index];
        state.record = record;
        if !self.has(Fault::SyncsLater) {
            state.on_disk = record;
        }
        if process.verdict == Some(Verdict::Yes) {
            state.accepted[usize::from(process.typed)] += 1;
            state.told_no = 0;
            process.was_accepted = true;
        }
        process.kept = Some(state.accepted.iter().sum());
    }

    fn answer(&self, state: &mut State, index: usize) {
        let process = state.processes[index];
        let accepted: u8 = state.accepted.iter().sum();
        match process.verdict {
            Some(Verdict::Yes) => state.told_yes[usize::from(process.typed)] += 1,
            Some(Verdict::No) => {
                state.told_no_in_all += 1;
                // What was counted before a code was accepted is over with it.
                state.told_no += u8::from(process.kept.is_none_or(|then| then == accepted));
            }
            _ => {}
        }
        state.answered_unkept |= process.kept.is_none() && process.verdict != Some(Verdict::Throttled);
    }

    /// Under a lock.
    fn step_of_transaction(&self, state: &mut State, index: usize) -> At {
        let process = state.processes[index];
        match process.at {
            At::Begin => {
                state.lock = Some(index);
                state.written = state.record;
                if !self.has(Fault::ReadsBeforeTheLock) {
                    state.processes[index].was = state.record;
                }
                At::Count
            }
            At::Count => {
                let was = state.processes[index].was;
                if was.failures >= ALLOWANCE {
                    state.processes[index].verdict = Some(Verdict::Throttled);
                    return At::Commit;
                }
                state.written.failures = was.failures + 1;
                if self.has(Fault::CommitsTwice) {
                    (state.record, state.on_disk) = (state.written, state.written);
                    state.lock = None;
                }
                At::Found
            }
            At::Found => {
                let verdict = Self::verdict(process.was, process.typed);
                state.processes[index].verdict = Some(verdict);
                if self.has(Fault::AnswersEarly) {
                    self.answer(state, index);
                }
                if verdict == Verdict::Yes { At::Advance } else { At::Commit }
            }
            At::Advance => {
                state.written.last_step = process.typed;
                At::Refund
            }
            At::Refund => {
                state.written.failures = 0;
                At::Commit
            }
            _ => {
                if process.verdict == Some(Verdict::Throttled) {
                    state.processes[index].kept = Some(0);
                } else {
                    self.keep(state, index, state.written);
                }
                if state.lock == Some(index) {
                    state.lock = None;
                }
                At::Answer
            }
        }
    }

    /// Without one.
    fn step_by_comparison(&self, state: &mut State, index: usize) -> At {
        let process = &mut state.processes[index];
        if process.at == At::Look {
            process.was = state.record;
            let verdict = Self::verdict(process.was, process.typed);
            process.verdict = Some(verdict);
            if self.has(Fault::AnswersEarly) {
                self.answer(state, index);
            }
            return if verdict == Verdict::Throttled { At::Answer } else { At::Settle };
        }
        let (was, is) = (process.was, state.record);
        let same = (was.failures == is.failures || self.has(Fault::IgnoresTheBudget))
            && (was.last_step == is.last_step || self.has(Fault::IgnoresTheRecord));
        if !same {
            return At::Look; // once more
        }
        let verdict = process.verdict.unwrap_or(Verdict::No);
        let record = Self::changed(was, process.typed, verdict);
        self.keep(state, index, record);
        At::Answer
    }

    fn step(&self, state: &mut State, index: usize) {
        let at = state.processes[index].at;
        let next = match at {
            At::Answer => {
                let process = state.processes[index];
                state.refused_by_itself |= process.verdict == Some(Verdict::No) && process.was_accepted;
                if !self.has(Fault::AnswersEarly) {
                    self.answer(state, index);
                }
                At::Done
            }
            _ if self.kind == Kind::Lock => self.step_of_transaction(state, index),
            _ => self.step_by_comparison(state, index),
        };
        state.processes[index].at = next;
    }

    /// A process that is gone holds no lock: its connection broke.
    fn end(state: &mut State, index: usize) {
        if state.lock == Some(index) {
            state.lock = None;
        }
    }

    /// Whether a process has to wait for the lock.
    fn waits(state: &State, index: usize) -> bool {
        state.processes[index].at == At::Begin && state.lock.is_some()
    }
}

impl Model for Attempts {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let processes = self.typed.map(|typed| Process {
            typed,
            at: self.begins_at(),
            life: Life::Runs,
            was: Record::default(),
            verdict: None,
            kept: None,
            was_accepted: false,
        });
        vec![State {
            record: Record::default(),
            on_disk: Record::default(),
            lock: None,
            written: Record::default(),
            processes,
            accepted: [0; PROCESSES + 1],
            told_no: 0,
            told_no_in_all: 0,
            told_yes: [0; PROCESSES + 1],
            answered_unkept: false,
            refused_by_itself: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, process) in state.processes.iter().enumerate() {
            match process.life {
                Life::Dead => continue,
                Life::StandsStill => actions.extend([Action::Wake(index), Action::Crash(index)]),
                Life::Runs if process.at == At::Done => continue,
                Life::Runs => {
                    if !Self::waits(state, index) {
                        actions.push(Action::Step(index));
                    } else if !self.has(Fault::WaitsForEver) {
                        actions.push(Action::GiveUp(index));
                    }
                    if process.at == At::Answer {
                        actions.push(Action::LoseAnswer(index));
                    }
                    actions.extend([Action::Crash(index), Action::StandStill(index)]);
                }
            }
        }
        if !actions.is_empty() {
            actions.push(Action::PowerFails);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Step(index) => self.step(&mut next, index),
            Action::LoseAnswer(index) if self.has(Fault::SendsAgain) => {
                // Run again, the script finds its own change, and the attempt begins anew with it.
                next.processes[index].at = At::Look;
            }
            Action::GiveUp(index) | Action::LoseAnswer(index) => next.processes[index].at = At::Done,
            Action::Crash(index) => {
                Self::end(&mut next, index);
                next.processes[index].life = Life::Dead;
            }
            Action::StandStill(index) => next.processes[index].life = Life::StandsStill,
            Action::Wake(index) => next.processes[index].life = Life::Runs,
            Action::PowerFails => {
                next.record = next.on_disk;
                next.lock = None;
                for process in &mut next.processes {
                    process.life = Life::Dead;
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_: &Self, state: &State| state.accepted.iter().all(|times| *times <= 1)),
            Property::always(ALLOWED, |model: &Self, state: &State| {
                let right = model.typed.iter().any(|typed| *typed > 0);
                state.told_no <= ALLOWANCE && (right || state.told_no_in_all <= ALLOWANCE)
            }),
            Property::always(KEPT, |_: &Self, state: &State| !state.answered_unkept),
            Property::always(NOT_LOST, |_: &Self, state: &State| {
                let newest = state.told_yes.iter().rposition(|times| *times > 0).unwrap_or(0);
                usize::from(state.record.last_step) >= newest && state.record.failures >= state.told_no
            }),
            Property::always(OWN, |_: &Self, state: &State| !state.refused_by_itself),
            Property::always(PROGRESS, |model: &Self, state: &State| {
                // If everybody else stands still, it can go on.
                (0..PROCESSES).all(|index| {
                    let process = state.processes[index];
                    let alone = (0..PROCESSES).all(|other| {
                        let other_process = state.processes[other];
                        other == index || other_process.life != Life::Runs || other_process.at == At::Done
                    });
                    let waits = Self::waits(state, index) && model.has(Fault::WaitsForEver);
                    !(alone && process.life == Life::Runs && process.at != At::Done && waits)
                })
            }),
            // That something happens at all.
            Property::sometimes("everybody was answered", |_: &Self, state: &State| {
                state.processes.iter().all(|process| process.at == At::Done && process.life == Life::Runs)
            }),
            Property::sometimes("a yes, or all that is allowed", |model: &Self, state: &State| {
                state.told_yes.iter().any(|times| *times > 0)
                    || (model.typed.iter().all(|typed| *typed == 0) && state.told_no_in_all == ALLOWANCE)
            }),
        ]
    }
}

/// One acceptance a step.
pub const ONCE: &str = "a step is accepted once";
/// No more answers than the allowance.
pub const ALLOWED: &str = "answers stay within the allowance";
/// The invariant.
pub const KEPT: &str = "nothing is answered before its count is kept";
/// Nothing acknowledged and lost.
pub const NOT_LOST: &str = "what was answered is not lost";
/// What was accepted is not refused to the one who typed it.
pub const OWN: &str = "nobody is refused a code by its own acceptance";
/// Nobody waits for a process that stands still.
pub const PROGRESS: &str = "nobody waits for ever for a process that stands still";
