//! Matching a code takes the same instructions wherever the code is wrong, and whichever counter it belongs to.
//!
//! The test starts itself again under callgrind, which counts the instructions of one function. callgrind's CPU has no
//! SHA extensions, so this is the portable path; the kernel of `src/lanes` has no branch on a code either. Without
//! valgrind there is nothing to measure with, and the test says so.

use std::hint::black_box;
use std::process::Command;

use ferrotp::vault::{Keyring, Owner, Parameters};
use ferrotp::{Algorithm, Digits, HmacKey, hotp};

const SCENARIO: &str = "FERROTP_CONSTANT_TIME_SCENARIO";
const SECRET: &[u8] = b"12345678901234567890";
const NOW: u64 = 1_111_111_111;

/// What is measured, by its name in the binary.
#[inline(never)]
fn measured_by_callgrind<R>(function: impl FnOnce() -> R) -> R {
    black_box(function())
}

fn code(step: u64) -> String {
    hotp::code(&HmacKey::new(Algorithm::Sha1, SECRET), step, Digits::SIX).as_str().to_owned()
}

/// The code with another digit in one place.
fn wrong(place: usize) -> String {
    let mut code = code(NOW / 30).into_bytes();
    code[place] = if code[place] == b'9' { b'0' } else { code[place] + 1 };
    String::from_utf8(code).unwrap()
}

fn run(scenario: &str) {
    let keyring = Keyring::from_text("ferrotp1_5dD8p_JAW__F3eB50sq9v66YlPtTgfomMGbg2pLmCRo").unwrap();
    let owner = Owner::new("acme", "ann", "phone").unwrap();
    let (what, how) = scenario.split_once(' ').unwrap();
    let step = NOW / 30;
    match what {
        "totp" => {
            let record = keyring.seal_otp(&owner, Parameters::default(), SECRET).unwrap();
            let (typed, expected) = match how {
                "first" => (wrong(0), None),
                "last" => (wrong(5), None),
                "-1" => (code(step - 1), Some(step - 1)),
                "0" | "0, used" | "0, the next used" => (code(step), Some(step)),
                _ => (code(step + 1), Some(step + 1)),
            };
            let accepted = match how {
                "0, used" => step,
                "0, the next used" => step + 1,
                _ => step - 2,
            };
            let found = measured_by_callgrind(|| {
                keyring.match_totp(&owner, &record, &typed, NOW, 1, 1, Some(accepted)).unwrap()
            });
            assert_eq!(found, (step, expected));
        }
        "recovery" => {
            // A record of the vectors: a new one would have another code each time. It is found as text: crates that read
            // JSON would be optimised for this alone.
            const START: &str =
                "\"scheme\": \"pbkdf2\",\n      \"code\": \"7K3F9QZX01VN8YTB\",\n      \"record\": \"";
            let (_, record) = include_str!("vectors/vault_records.json").split_once(START).unwrap();
            let record = hex::decode(record.split('"').next().unwrap()).unwrap();
            // Digits for digits, letters for letters: reading them takes its own way for each, and tells nothing.
            let typed = match how {
                "first" => "7K4F-9QZX-01VN-8YTB",
                "last" => "7K3F-9QZX-01VN-8YTC",
                _ => "7K3F-9QZX-01VN-8YTB",
            };
            let right = measured_by_callgrind(|| {
                keyring.check_recovery_code("acme", "42", "7K", &record, typed).unwrap()
            });
            assert_eq!(right, how == "right");
        }
        _ => {
            // What must be found: a comparison that ends at the first difference.
            let typed = if how == "first" { wrong(0) } else { wrong(5) };
            let expected = code(step);
            assert!(!measured_by_callgrind(|| {
                typed.bytes().zip(expected.bytes()).all(|(one, other)| black_box(one) == other)
            }));
        }
    }
}

#[test]
fn scenario() {
    if let Ok(scenario) = std::env::var(SCENARIO) {
        run(&scenario);
    }
}

fn instructions(scenario: &str) -> u64 {
    // A program of its own, or a part of one.
    let test =
        module_path!().split_once("::").map_or("scenario".into(), |(_, path)| format!("{path}::scenario"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*measured_by_callgrind*")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--test-threads=1"])
        .env(SCENARIO, scenario)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = said.lines().find_map(|line| line.split_once("Collected :")).unwrap().1.trim();
    let counted = counted.parse().unwrap();
    assert!(counted > 0, "{said}");
    counted
}

#[test]
fn where_a_code_is_wrong_and_which_counter_matched_takes_the_same_instructions() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("valgrind is not installed: nothing was measured");
        return;
    }
    let totp = ["first", "last", "-1", "0", "+1", "0, used", "0, the next used"]
        .map(|how| instructions(&format!("totp {how}")));
    let recovery = ["first", "last", "right"].map(|how| instructions(&format!("recovery {how}")));
    let control = ["first", "last"].map(|how| instructions(&format!("control {how}")));
    eprintln!("TOTP {totp:?}, recovery codes {recovery:?}, control {control:?}");
    assert_ne!(control[0], control[1], "the measurement sees a comparison that leaks");
    assert_eq!(totp[0], totp[1], "wrong in the first digit, in the last");
    assert_eq!([totp[2]; 2], [totp[3], totp[4]], "the step before, this one, the next");
    assert_eq!([totp[3]; 2], [totp[5], totp[6]], "newer than the last one accepted, that one, older");
    assert_eq!([recovery[0]; 2], [recovery[1], recovery[2]], "wrong in the first symbol, in the last, right");
}
