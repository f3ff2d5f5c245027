//! What holds for every sealed record.

use ferrotp::recovery::{Hashing, RecoveryCode, Scheme};
use ferrotp::vault::{Key, Keyring, Kind, MAX_RECORD, Owner, Parameters, Purpose, key_id};
use ferrotp::{Algorithm, Digits, HmacKey, VaultError, hotp, recovery};
use proptest::prelude::*;
use serde::Deserialize;

const CHEAP: Scheme = Scheme::Argon2id { memory_kib: 8, passes: 1, lanes: 1 };

fn cheap() -> Hashing {
    Hashing::new(CHEAP).unwrap()
}

fn ann() -> Owner<'static> {
    Owner::new("acme", "ann", "phone").unwrap()
}

fn hotp_parameters(digits: u8) -> Parameters {
    Parameters::new(Kind::Hotp, Algorithm::Sha1, Digits::new(digits).unwrap()).unwrap()
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let kind = prop_oneof![(1u32..).prop_map(|period| Kind::Totp { period }), Just(Kind::Hotp)];
    (kind, prop::sample::select(Algorithm::ALL.to_vec()), 6u8..=10).prop_map(|(kind, algorithm, digits)| {
        Parameters::new(kind, algorithm, Digits::new(digits).unwrap()).unwrap()
    })
}

/// Names that are alike at their seams, or in what they look like.
fn names() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,3}", "\\PC{1,20}", Just("otp".to_owned()), Just("recovery".to_owned())]
}

proptest! {
    #[test]
    fn a_sealed_secret_comes_back_for_its_owner_and_for_no_other(
        parameters in parameters(),
        secret in prop::collection::vec(any::<u8>(), 10..=128),
        names in [names(), names(), names()],
        others in [names(), names(), names()],
    ) {
        let keyring = Keyring::generate().unwrap();
        let owner = Owner::new(&names[0], &names[1], &names[2]).unwrap();
        let record = keyring.seal_otp(&owner, parameters, &secret).unwrap();
        prop_assert_eq!(record.len(), 60 + secret.len());
        prop_assert_eq!(key_id(&record).unwrap(), keyring.writing().id());
        let (found, revealed) = keyring.reveal_otp(&owner, &record).unwrap();
        prop_assert_eq!(found, parameters);
        prop_assert_eq!(revealed.as_bytes(), &secret);

        let other = Owner::new(&others[0], &others[1], &others[2]).unwrap();
        let opened = keyring.reveal_otp(&other, &record);
        prop_assert_eq!(opened.is_ok(), owner == other);
        if let Err(error) = opened {
            prop_assert_eq!(error, VaultError::Changed(keyring.writing().id()));
        }
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), version: bool) {
        let keyring = Keyring::generate().unwrap();
        let mut bytes = bytes;
        if version && !bytes.is_empty() {
            bytes[0] = 1;
        }
        let error = keyring.match_totp(&ann(), &bytes, "123456", 59, 1, 1, None).unwrap_err();
        prop_assert!(matches!(error, VaultError::Malformed | VaultError::UnknownKey(_)));
        prop_assert!(keyring.check_recovery_code("acme", "ann", "7K", &bytes, "x").is_err());
        prop_assert!(keyring.reseal(&ann(), Purpose::Otp, &bytes).is_err());
    }

    #[test]
    fn a_window_matches_what_is_in_it_and_nothing_else(
        parameters in parameters(),
        secret in prop::array::uniform20(any::<u8>()),
        now in 0u64..1 << 40,
        behind in 0u64..5,
        ahead in 0u64..5,
        offset in -7i64..7,
        accepted in prop::option::of(-7i64..7),
    ) {
        let keyring = Keyring::generate().unwrap();
        let record = keyring.seal_otp(&ann(), parameters, &secret).unwrap();
        let key = HmacKey::new(parameters.algorithm(), &secret);
        let step = match parameters.kind() {
            Kind::Totp { period } => now / u64::from(period),
            Kind::Hotp => now,
        };
        let typed = hotp::code(&key, step.saturating_add_signed(offset), parameters.digits());
        let first = step.saturating_sub(behind);
        let accepted = accepted.map(|offset| step.saturating_add_signed(offset));
        let all = (first..=step + ahead)
            .filter(|counter| hotp::code(&key, *counter, parameters.digits()).as_str() == typed.as_str())
            .collect::<Vec<_>>();
        // A match that was accepted is told, too: its code was used.
        let newer = all.iter().find(|counter| accepted.is_none_or(|accepted| **counter > accepted)).or(all.last());
        let expected = match parameters.kind() {
            Kind::Totp { .. } => newer.copied(),
            Kind::Hotp => all.first().copied(),
        };
        let matched = match parameters.kind() {
            Kind::Totp { .. } => {
                let (now_step, matched) =
                    keyring.match_totp(&ann(), &record, typed.as_str(), now, behind, ahead, accepted).unwrap();
                prop_assert_eq!(now_step, step);
                matched
            }
            Kind::Hotp => {
                let more = step + ahead - first;
                keyring.match_hotp(&ann(), &record, typed.as_str(), first, more).unwrap()
            }
        };
        prop_assert_eq!(matched, expected);
    }

    #[test]
    fn two_codes_in_a_row_resynchronise_and_others_do_not(
        secret in prop::array::uniform20(any::<u8>()),
        first in 0u64..1 << 40,
        window in 0u64..30,
        at in 0u64..35,
        step in 0u64..4,
    ) {
        let keyring = Keyring::generate().unwrap();
        let record = keyring.seal_otp(&ann(), hotp_parameters(6), &secret).unwrap();
        let key = HmacKey::new(Algorithm::Sha1, &secret);
        let code = |counter: u64| hotp::code(&key, counter, Digits::SIX).as_str().to_owned();
        let (one, two) = (code(first + at), code(first + at + step));
        let expected = (first..=first + window)
            .find(|counter| code(*counter) == one && code(*counter + 1) == two)
            .map(|counter| counter + 1);
        if step == 1 && at <= window {
            prop_assert!(expected.is_some());
        }
        prop_assert_eq!(keyring.resync_hotp(&ann(), &record, &one, &two, first, window).unwrap(), expected);
    }

    #[test]
    fn a_pair_of_steps_counts_where_neither_was_accepted(
        secret in prop::array::uniform20(any::<u8>()),
        step in 0u64..1 << 40,
        (behind, ahead) in (0u64..5, 0u64..5),
        at in -7i64..7,
        accepted in prop::option::of(-7i64..7),
    ) {
        let keyring = Keyring::generate().unwrap();
        let record = keyring.seal_otp(&ann(), Parameters::default(), &secret).unwrap();
        let key = HmacKey::new(Algorithm::Sha1, &secret);
        let code = |counter: u64| hotp::code(&key, counter, Digits::SIX).as_str().to_owned();
        let (at, accepted) = (step.saturating_add_signed(at), accepted.map(|offset| step.saturating_add_signed(offset)));
        let (one, two) = (code(at), code(at + 1));
        let all = (step.saturating_sub(behind).max(1)..=step + ahead)
            .filter(|counter| code(*counter - 1) == one && code(*counter) == two)
            .collect::<Vec<_>>();
        let newer = all.iter().find(|counter| accepted.is_none_or(|accepted| **counter - 1 > accepted)).or(all.last());
        let found = keyring.match_totp_pair(&ann(), &record, &one, &two, step * 30, behind, ahead, accepted);
        prop_assert_eq!(found, Ok((step, newer.copied())));
    }

    #[test]
    fn a_key_comes_back_from_its_text_and_no_other_text_is_one(
        bytes in prop::array::uniform32(any::<u8>()),
        place in 0usize..52,
        character in any::<char>(),
    ) {
        let Ok(key) = Key::from_bytes(&bytes) else { return Ok(()) };
        let text = key.to_text().to_string();
        prop_assert_eq!(text.len(), 52);
        prop_assert_eq!(&*Key::from_text(&text).unwrap().to_text(), &text);
        let changed: String =
            text.chars().enumerate().map(|(at, old)| if at == place { character } else { old }).collect();
        // One text is one key: also in the last character, which has two bits to spare.
        match Key::from_text(&changed) {
            Ok(other) => prop_assert_eq!(&*other.to_text(), &changed),
            Err(error) => prop_assert!(matches!(error, VaultError::KeyText | VaultError::WeakKey)),
        }
        let padded = format!("{text}=");
        prop_assert!(Key::from_text(&padded).is_err());
        prop_assert!(Key::from_text(&text[..51]).is_err());
    }

    #[test]
    fn any_text_is_a_recovery_code_or_none(text in "\\PC{0,120}") {
        if let Some(code) = RecoveryCode::parse(&text) {
            prop_assert_eq!(&*RecoveryCode::parse(&code.to_text()).unwrap().to_text(), &*code.to_text());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_earliest_of_several_matches_wins(secret in prop::array::uniform20(any::<u8>()), first in 0u64..1 << 50) {
        // A window of a thousand has twins among its codes in one of three cases.
        let keyring = Keyring::generate().unwrap();
        let record = keyring.seal_otp(&ann(), hotp_parameters(6), &secret).unwrap();
        let key = HmacKey::new(Algorithm::Sha1, &secret);
        let codes: Vec<_> = (first..=first + 1000)
            .map(|counter| hotp::code(&key, counter, Digits::SIX).as_str().to_owned())
            .collect();
        let first_of = |code: &String| codes.iter().position(|other| other == code).unwrap();
        // The codes that stand twice, and one that may not.
        let twins = (0..codes.len()).filter(|index| first_of(&codes[*index]) != *index);
        for index in twins.chain([500]) {
            let matched = keyring.match_hotp(&ann(), &record, &codes[index], first, 1000).unwrap();
            prop_assert_eq!(matched, Some(first + first_of(&codes[index]) as u64));
        }
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_an_error() {
    let keyring = Keyring::generate().unwrap();
    let id = keyring.writing().id();
    let codes = keyring.new_recovery_codes("acme", "ann", 1, cheap()).unwrap();
    let secret = b"12345678901234567890";
    let otp = keyring.seal_otp(&ann(), hotp_parameters(6), secret).unwrap();
    let code = codes[0].code.to_text();
    let open = |record: &[u8], purpose| match purpose {
        Purpose::Otp => keyring.match_hotp(&ann(), record, "755224", 0, 0).map(|found| found == Some(0)),
        Purpose::Recovery => {
            keyring.check_recovery_code("acme", "ann", codes[0].code.selector(), record, &code)
        }
    };
    for (record, purpose) in [(&otp, Purpose::Otp), (&codes[0].record, Purpose::Recovery)] {
        assert_eq!(open(record, purpose), Ok(true));
        for place in 0..record.len() {
            for flip in 1..=255 {
                let mut changed = record.clone();
                changed[place] ^= flip;
                let error = open(&changed, purpose).unwrap_err();
                match place {
                    0 => assert_eq!(error, VaultError::Malformed),
                    1..9 => assert_eq!(error, VaultError::UnknownKey(key_id(&changed).unwrap())),
                    _ => assert_eq!(error, VaultError::Changed(id)),
                }
            }
        }
        for length in 0..record.len() {
            assert!(open(&record[..length], purpose).is_err(), "{length}");
        }
        let mut longer = record.clone();
        while longer.len() <= MAX_RECORD + 2 {
            longer.push(0);
            assert!(open(&longer, purpose).is_err());
        }
    }
}

#[test]
fn a_row_that_was_moved_does_not_open() {
    let keyring = Keyring::generate().unwrap();
    let changed = Err(VaultError::Changed(keyring.writing().id()));
    let owners = [
        ("acme", "ann", "phone"),
        ("acme", "ann", "tablet"),
        ("acme", "bob", "phone"),
        ("umbrella", "ann", "phone"),
        // Whose names have the same letters in a row.
        ("acmea", "nn", "phone"),
        ("acme", "annp", "hone"),
        ("", "acmeann", "phone"),
        ("a", "bc", "d"),
        ("ab", "c", "d"),
        ("abc", "d", "otp"),
        ("", "abcd", "otp"),
    ];
    let owners = owners.map(|(tenant, user, factor)| Owner::new(tenant, user, factor).unwrap());
    for owner in &owners {
        let record = keyring.seal_otp(owner, hotp_parameters(6), b"12345678901234567890").unwrap();
        for other in &owners {
            let matched = keyring.match_hotp(other, &record, "755224", 0, 0);
            assert_eq!(matched, if owner == other { Ok(Some(0)) } else { changed.map(|()| None) });
            assert!(keyring.reseal(other, Purpose::Recovery, &record).is_err());
        }
    }
    // A secret's record in a recovery code's place, and the other way round.
    let code = &keyring.new_recovery_codes("acme", "ann", 1, cheap()).unwrap()[0];
    let owner = Owner::new("acme", "ann", code.code.selector()).unwrap();
    let otp = keyring.seal_otp(&owner, hotp_parameters(6), b"12345678901234567890").unwrap();
    let text = code.code.to_text();
    let checked = keyring.check_recovery_code("acme", "ann", code.code.selector(), &otp, &text);
    assert_eq!(checked, changed.map(|()| false));
    assert_eq!(keyring.match_hotp(&owner, &code.record, "755224", 0, 0), changed.map(|()| None));
}

#[test]
fn the_kind_is_sealed_too() {
    let keyring = Keyring::generate().unwrap();
    let hotp = keyring.seal_otp(&ann(), hotp_parameters(6), b"12345678901234567890").unwrap();
    let totp = keyring.seal_otp(&ann(), Parameters::default(), b"12345678901234567890").unwrap();
    let wrong = VaultError::WrongKind(keyring.writing().id());
    assert_eq!(keyring.match_totp(&ann(), &hotp, "755224", 0, 0, 0, None), Err(wrong));
    assert_eq!(keyring.match_hotp(&ann(), &totp, "755224", 0, 0), Err(wrong));
    assert_eq!(keyring.resync_hotp(&ann(), &totp, "755224", "287082", 0, 5), Err(wrong));
}

#[test]
fn keys_rotate() {
    let text = |ring: &Keyring| ring.to_text().to_string();
    let old = Keyring::generate().unwrap();
    let record = old.seal_otp(&ann(), hotp_parameters(6), b"12345678901234567890").unwrap();
    let code = old.new_recovery_codes("acme", "ann", 1, cheap()).unwrap().remove(0);
    let selector = Owner::new("acme", "ann", code.code.selector()).unwrap();

    let new = Keyring::generate().unwrap();
    let both = Keyring::from_text(&format!("{}\n{}", text(&new), text(&old))).unwrap();
    assert_eq!(
        new.match_hotp(&ann(), &record, "755224", 0, 0),
        Err(VaultError::UnknownKey(old.writing().id()))
    );
    assert_eq!(both.match_hotp(&ann(), &record, "755224", 0, 0), Ok(Some(0)));

    let resealed = both.reseal(&ann(), Purpose::Otp, &record).unwrap().unwrap();
    assert_eq!(both.reseal(&ann(), Purpose::Otp, &resealed), Ok(None));
    assert_eq!(new.match_hotp(&ann(), &resealed, "755224", 0, 0), Ok(Some(0)));
    let resealed = both.reseal(&selector, Purpose::Recovery, &code.record).unwrap().unwrap();
    let checked = |code: &str| new.check_recovery_code("acme", "ann", &code[..2], &resealed, code);
    assert_eq!(checked(&code.code.to_text()), Ok(true));

    // Rotation is no laundry: what does not open is not sealed again.
    assert_eq!(both.reseal(&selector, Purpose::Otp, &record), Err(VaultError::Changed(old.writing().id())));
    // Nor is what is there already taken unread.
    let mut changed = both.seal_otp(&ann(), hotp_parameters(6), b"12345678901234567890").unwrap();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(both.reseal(&ann(), Purpose::Otp, &changed), Err(VaultError::Changed(new.writing().id())));
}

#[test]
fn two_records_of_one_secret_have_nothing_in_common() {
    let keyring = Keyring::generate().unwrap();
    let seal = || keyring.seal_otp(&ann(), hotp_parameters(6), b"12345678901234567890").unwrap();
    let (one, two) = (seal(), seal());
    assert_eq!(one[..9], two[..9]);
    for place in 9..one.len() - 8 {
        assert_ne!(one[place..place + 8], two[place..place + 8]);
    }
}

#[test]
fn a_keyring_reads_lists_lines_and_comments() {
    let keys: Vec<String> = (0..4).map(|_| Key::generate().unwrap().to_text().to_string()).collect();
    let ids = |ring: &Keyring| ring.keys().map(|key| key.id().to_string()).collect::<Vec<_>>();
    let expected = ids(&Keyring::new(keys.iter().map(|key| Key::from_text(key))).unwrap());
    let [a, b, c, d] = keys.as_slice() else { unreachable!() };
    for text in [
        format!("{a} {b} {c} {d}"),
        format!("{a},{b},{c},{d}"),
        format!("  {a}\r\n\r\n{b}\t,, {c}\n{d}\n"),
        format!("\u{feff}# keys\n{a} # writes, since May\n # old:{c}\n{b},\n{c}\n\n{d}#"),
    ] {
        assert_eq!(ids(&Keyring::from_text(&text).unwrap()), expected, "{text}");
    }
    assert_eq!(*Keyring::from_text(&keys.join("\n")).unwrap().to_text(), keys.join(" "));
    assert_eq!(Keyring::from_text("").unwrap_err(), VaultError::NoKeys);
    assert_eq!(Keyring::from_text(" ,\n# ferrotp1_\n").unwrap_err(), VaultError::NoKeys);
    assert!(matches!(Keyring::from_text(&format!("{a} {b} {a}")), Err(VaultError::DuplicateKey(_))));
    assert_eq!(Keyring::from_text(&format!("{a};{b}")).unwrap_err(), VaultError::KeyText);
    let many = || (0..65).map(|_| Key::generate());
    assert_eq!(Keyring::new(many()).unwrap_err(), VaultError::TooManyKeys);
    assert!(Keyring::new(many().take(64)).is_ok());
}

#[test]
fn keys_that_were_not_drawn_at_random_are_refused() {
    let counting: Vec<u8> = (0..32).collect();
    let down: Vec<u8> = (0..32).map(|byte| 200 - 5 * byte).collect();
    let few = [7, 3, 9, 1, 2, 7, 5].repeat(5);
    for weak in [
        &[0; 32],
        &[255; 32],
        counting.as_slice(),
        &down,
        &few[..32],
        b"correct horse battery staple 123",
        b"000102030405060708090a0b0c0d0e0f",
    ] {
        assert_eq!(Key::from_bytes(weak).unwrap_err(), VaultError::WeakKey);
    }
    for length in [0, 16, 31, 33, 64] {
        assert_eq!(Key::from_bytes(&vec![1; length]).unwrap_err(), VaultError::KeyLength);
    }
    for _ in 0..1000 {
        assert!(Key::generate().is_ok());
    }
}

#[test]
fn recovery_codes_are_made_checked_and_all_different() {
    let keyring = Keyring::generate().unwrap();
    let set = keyring.new_recovery_codes("acme", "ann", recovery::MAX_COUNT, cheap()).unwrap();
    let selectors: std::collections::HashSet<_> =
        set.iter().map(|new| new.code.selector().to_owned()).collect();
    assert_eq!(selectors.len(), recovery::MAX_COUNT);
    let mut seen = std::collections::HashSet::new();
    for new in &set {
        let text = new.code.to_text();
        assert_eq!(text.len(), 19);
        assert!(text.bytes().all(|symbol| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ-".contains(&symbol)));
        seen.extend(text.bytes());
        assert_eq!(&text[..2], new.code.selector());
    }
    assert_eq!(seen.len(), 33, "1,600 symbols have all of the alphabet among them");
    let check = |at: usize, text: &str| {
        keyring.check_recovery_code("acme", "ann", set[at].code.selector(), &set[at].record, text)
    };
    for at in 0..20 {
        assert_eq!(check(at, &set[at].code.to_text()), Ok(true));
        assert_eq!(check(at, &set[at + 1].code.to_text()), Ok(false));
        // Every symbol counts.
        for place in (0..19).filter(|place| place % 5 != 4) {
            let mut typed = set[at].code.to_text().to_string();
            let other = if &typed[place..=place] == "7" { "8" } else { "7" };
            typed.replace_range(place..=place, other);
            assert_eq!(check(at, &typed), Ok(false), "{place}");
        }
    }
    for count in [0, recovery::MAX_COUNT + 1, usize::MAX] {
        assert_eq!(keyring.new_recovery_codes("acme", "ann", count, cheap()).unwrap_err(), VaultError::Count);
    }
}

#[test]
fn codes_of_another_system_are_found_among_their_set_and_no_other() {
    let keyring = Keyring::generate().unwrap();
    let codes = ["ogzutz7c", "0ADD-ef78-4ffe", "29758852", "OGZU TZ7C", "\u{ff11}\u{ff12}3456"];
    let set = keyring.hash_recovery_codes("acme", "ann", &codes, cheap()).unwrap();
    // The fourth is the first again: one record, so one use.
    assert_eq!(
        set.iter().map(|(selector, _)| selector.as_str()).collect::<Vec<_>>(),
        ["~00", "~01", "~02", "~03"]
    );
    let records: Vec<_> =
        set.iter().map(|(selector, record)| (selector.as_str(), record.as_slice())).collect();
    let find = |text: &str| keyring.find_recovery_code("acme", "ann", &records, text);
    for (typed, selector) in [
        ("ogzutz7c", "~00"),
        (" OGZU-TZ7C ", "~00"),
        ("0add ef784ffe", "~01"),
        ("2975\u{2013}8852", "~02"),
        ("123456", "~03"),
    ] {
        assert_eq!(find(typed), Ok(Some(selector)), "{typed}");
    }
    for wrong in ["", "-", "ogzutz7d", "29758853", "297588520", &"9".repeat(65), &"9".repeat(1 << 20)] {
        assert_eq!(find(wrong), Ok(None));
    }
    // Each set has a salt of its own, and all of them are looked at.
    let others = keyring.hash_recovery_codes("acme", "ann", &["87654321"], cheap()).unwrap();
    assert_eq!(keyring.find_recovery_code("acme", "ann", &[], "29758852"), Ok(None));
    let both = [records[2], ("~00", others[0].1.as_slice())];
    assert_eq!(keyring.find_recovery_code("acme", "ann", &both, "87654321"), Ok(Some("~00")));
    assert_eq!(keyring.find_recovery_code("acme", "ann", &both, "29758852"), Ok(Some("~02")));
    // A record of another user, or in another's place, is an error, whatever is typed.
    assert!(keyring.find_recovery_code("acme", "bob", &records, "").is_err());
    assert!(keyring.find_recovery_code("acme", "ann", &[("~01", records[0].1)], "ogzutz7c").is_err());
    // What is no code, or too many, is refused before anything is hashed.
    for wrong in [vec![], vec!["  "], vec!["x"; recovery::MAX_COUNT + 1]] {
        assert_eq!(
            keyring.hash_recovery_codes("acme", "ann", &wrong, cheap()).unwrap_err(),
            VaultError::Count
        );
    }
    // Up to 64 bytes, and as many separators as a text of 256 has.
    for code in ["x".repeat(64), "é".repeat(32), "x-".repeat(64) + &"-".repeat(128)] {
        let set = keyring.hash_recovery_codes("acme", "ann", &[&code], cheap()).unwrap();
        let record = [(set[0].0.as_str(), set[0].1.as_slice())];
        assert_eq!(keyring.find_recovery_code("acme", "ann", &record, &code), Ok(Some("~00")), "{code}");
        for longer in [format!("{code}x"), format!("{code}{}", "-".repeat(257 - code.len()))] {
            assert_eq!(keyring.find_recovery_code("acme", "ann", &record, &longer), Ok(None), "{longer}");
        }
    }
    let long = "x".repeat(65);
    assert_eq!(keyring.hash_recovery_codes("acme", "ann", &[&long], cheap()).unwrap_err(), VaultError::Count);
}

#[test]
fn recovery_codes_are_read_as_people_type_them() {
    let parsed = |text: &str| RecoveryCode::parse(text).map(|code| code.to_text().to_string());
    let expected = Some("7K3F-9QZX-01VN-8YTB".to_owned());
    for text in [
        "7K3F-9QZX-01VN-8YTB",
        "7k3f9qzx01vn8ytb",
        "  7K3F 9QZX\t01VN\u{a0}8YTB\n",
        "7K3F–9QZX—01VN−8YTB",
        "7K3F-9QZX-O1VN-8YTB",
        "7k3f-9qzx-oIvn-8ytb",
        "7k3f-9qzx-olvn-8ytb",
        "７Ｋ３Ｆ－９ｑｚｘ　０１ＶＮ－８ＹＴＢ",
        "7-K-3-F-9-Q-Z-X-0-1-V-N-8-Y-T-B",
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
    // The longest text that is read: every symbol and every separator has three bytes.
    let wide: String =
        "７Ｋ３Ｆ９ＱＺＸ０１ＶＮ８ＹＴＢ".chars().flat_map(|symbol| [symbol, '\u{2010}']).collect();
    assert_eq!(wide.len(), 96);
    assert_eq!(parsed(&wide), expected);
    assert_eq!(parsed(&format!("{wide} ")), None);
    for text in [
        "",
        "7K3F-9QZX-01VN-8YT",
        "7K3F-9QZX-01VN-8YTBB",
        "7K3F-9QZX-01VN-8YTU",
        "7K3F-9QZX-01VN-8YT\0",
        "7K3F-9QZX-01VN-8YTß",
        "7K3F_9QZX_01VN_8YTB",
        "7K3F-9QZX-01VN-8YT٨",
        "7K3F-9QZX-01VN-8YTB\u{200b}",
        "----------------",
        &"7K3F-9QZX-01VN-8YTB ".repeat(10),
        &format!("7K3F-9QZX-01VN-8YTB{}", " ".repeat(100)),
    ] {
        assert_eq!(parsed(text), None, "{text}");
    }
}

#[test]
fn numbers_out_of_range_are_errors_and_not_overflows() {
    let keyring = Keyring::generate().unwrap();
    let hotp = keyring.seal_otp(&ann(), hotp_parameters(6), b"12345678901234567890").unwrap();
    let totp = |period| Parameters::new(Kind::Totp { period }, Algorithm::Sha1, Digits::SIX);
    let second = keyring.seal_otp(&ann(), totp(1).unwrap(), b"12345678901234567890").unwrap();
    let max = u64::MAX;
    assert_eq!(keyring.match_totp(&ann(), &second, "755224", 1, 5, 0, None), Ok((1, Some(0))));
    assert_eq!(keyring.match_totp(&ann(), &second, "755224", max, 0, 0, None), Ok((max, None)));
    assert_eq!(
        keyring.match_totp(&ann(), &second, "755224", max, 0, 1, None),
        Err(VaultError::CounterOutOfRange)
    );
    assert_eq!(keyring.match_totp(&ann(), &second, "755224", 9, 1001, 0, None), Err(VaultError::Window));
    assert_eq!(keyring.match_totp(&ann(), &second, "755224", 9, 0, max, None), Err(VaultError::Window));
    assert_eq!(keyring.match_hotp(&ann(), &hotp, "755224", max, 0), Ok(None));
    assert_eq!(keyring.match_hotp(&ann(), &hotp, "755224", max, 1), Err(VaultError::CounterOutOfRange));
    assert_eq!(keyring.match_hotp(&ann(), &hotp, "755224", 0, 1001), Err(VaultError::Window));
    assert_eq!(
        keyring.resync_hotp(&ann(), &hotp, "755224", "755224", max, 0),
        Err(VaultError::CounterOutOfRange)
    );
    assert_eq!(keyring.resync_hotp(&ann(), &hotp, "755224", "755224", 0, 1001), Err(VaultError::Window));

    assert_eq!(totp(0), Err(VaultError::Period));
    for digits in 1..6 {
        let digits = Digits::new(digits).unwrap();
        assert_eq!(Parameters::new(Kind::Hotp, Algorithm::Sha1, digits), Err(VaultError::Digits));
    }
    for length in [0, 9, 129, 1000] {
        let sealed = keyring.seal_otp(&ann(), hotp_parameters(6), &vec![1; length]);
        assert_eq!(sealed, Err(VaultError::SecretLength));
    }
    for length in [0, 15, 129, usize::MAX] {
        assert_eq!(keyring.new_otp(&ann(), hotp_parameters(6), length), Err(VaultError::NewSecretLength));
    }
    let long = "a".repeat(1025);
    assert_eq!(Owner::new("", "", "f"), Err(VaultError::EmptyOwner));
    assert_eq!(Owner::new("", "u", ""), Err(VaultError::EmptyOwner));
    assert_eq!(Owner::new(&long, "u", "f"), Err(VaultError::LongOwner));
    assert!(Owner::new(&long[1..], &long[1..], &long[1..]).is_ok());
}

#[test]
fn costs_that_no_hash_can_have_are_refused() {
    let argon2id = |memory_kib, passes, lanes| Hashing::new(Scheme::Argon2id { memory_kib, passes, lanes });
    assert!(argon2id(8, 1, 1).is_ok() && argon2id(262_144, 64, 64).is_ok());
    for (memory_kib, passes, lanes) in [
        (7, 1, 1),
        (15, 1, 2),
        (262_145, 1, 1),
        (u32::MAX, 1, 1),
        (64, 0, 1),
        (64, 65, 1),
        (64, 1, 0),
        (600, 1, 65),
    ] {
        assert_eq!(argon2id(memory_kib, passes, lanes), Err(VaultError::Hashing));
    }
    for iterations in [0, 999, 10_000_001, u32::MAX] {
        assert_eq!(Hashing::new(Scheme::Pbkdf2 { iterations }), Err(VaultError::Hashing));
    }
    recovery::dummy_check(cheap()).unwrap();
    recovery::dummy_check(Hashing::new(Scheme::Pbkdf2 { iterations: 1000 }).unwrap()).unwrap();
}

#[test]
fn nothing_shows_a_secret() {
    let keyring = Keyring::generate().unwrap();
    let id = keyring.writing().id();
    assert_eq!(format!("{keyring:?}"), format!("Keyring {{ writing: Key({id}, [redacted]), older: [] }}"));
    let new = keyring.new_recovery_codes("acme", "ann", 1, cheap()).unwrap().remove(0);
    assert_eq!(format!("{:?}", new.code), "RecoveryCode([redacted])");
    for error in [VaultError::KeyText, VaultError::WeakKey, VaultError::Malformed, VaultError::Changed(id)] {
        assert!(!error.to_string().is_empty());
    }
}

#[derive(Deserialize)]
struct Vectors {
    key: String,
    key_id: String,
    records: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(tag = "purpose", rename_all = "lowercase")]
enum Vector {
    Otp {
        owner: [String; 3],
        kind: String,
        algorithm: String,
        digits: u8,
        period: u32,
        secret: String,
        record: String,
    },
    Recovery {
        owner: [String; 3],
        code: String,
        record: String,
    },
}

#[test]
fn records_that_another_implementation_made_open() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/vault_records.json")).unwrap();
    let keyring = Keyring::from_text(&vectors.key).unwrap();
    assert_eq!(keyring.writing().id().to_string(), vectors.key_id);
    assert_eq!(vectors.records.len(), 6);
    for vector in vectors.records {
        match vector {
            Vector::Otp {
                owner: [tenant, user, factor],
                kind,
                algorithm,
                digits,
                period,
                secret,
                record,
            } => {
                let owner = Owner::new(&tenant, &user, &factor).unwrap();
                let (found, revealed) = keyring.reveal_otp(&owner, &hex::decode(record).unwrap()).unwrap();
                let expected = if kind == "totp" { Kind::Totp { period } } else { Kind::Hotp };
                assert_eq!(found.kind(), expected);
                assert_eq!(found.algorithm().uri_name(), algorithm);
                assert_eq!(found.digits().get(), digits);
                assert_eq!(hex::encode(revealed.as_bytes()), secret);
            }
            Vector::Recovery { owner: [tenant, user, selector], code, record } => {
                let record = hex::decode(record).unwrap();
                let check =
                    |code: &str| keyring.check_recovery_code(&tenant, &user, &selector, &record, code);
                assert_eq!(check(&code), Ok(true));
                assert_eq!(check(&code.replace('Q', "R")), Ok(false));
            }
        }
    }
}

#[test]
fn a_weak_key_is_told_from_a_random_one_at_the_bounds_that_are_written_down() {
    // Seven different values are few, eight are not.
    let of_values = |count: u8| -> Vec<u8> {
        (0..32u8).map(|place| 200 + (place.wrapping_mul(place).wrapping_add(place / 3)) % count).collect()
    };
    let distinct = |bytes: &[u8]| bytes.iter().collect::<std::collections::HashSet<_>>().len();
    let (few, enough) = (of_values(7), of_values(8));
    assert_eq!((distinct(&few), distinct(&enough)), (7, 8));
    assert_eq!(Key::from_bytes(&few).unwrap_err(), VaultError::WeakKey);
    assert!(Key::from_bytes(&enough).is_ok());
    // One byte that cannot be printed, or one step out of the sequence, and it is not text, or a sequence.
    let mut text = *b"correct horse battery staple 123";
    assert_eq!(Key::from_bytes(&text).unwrap_err(), VaultError::WeakKey);
    for byte in [b'\n', 0x7f, 0xc3] {
        text[31] = byte;
        assert!(Key::from_bytes(&text).is_ok(), "{byte}");
    }
    for byte in *b" ~" {
        text[31] = byte;
        assert_eq!(Key::from_bytes(&text).unwrap_err(), VaultError::WeakKey, "{byte}");
    }
    let mut sequence: Vec<u8> = (0..32).map(|place| 7u8.wrapping_mul(place)).collect();
    assert_eq!(Key::from_bytes(&sequence).unwrap_err(), VaultError::WeakKey);
    sequence[31] ^= 0x80;
    assert!(Key::from_bytes(&sequence).is_ok());
}

#[cfg(unix)]
#[test]
fn a_file_of_keys_is_read_where_it_is_its_owners_alone() {
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;

    let directory = std::env::temp_dir().join(format!("ferrotp-keys-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("keys");
    let read = |contents: &[u8], mode: u32, allow_group: bool| {
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, contents).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        Keyring::from_file(&file, allow_group).map(|ring| ring.keys().count())
    };
    let keys: Vec<String> = (0..3).map(|_| Key::generate().unwrap().to_text().to_string()).collect();
    let text = keys.join("\n");
    for (mode, alone, with_group) in [
        (0o600, true, true),
        (0o400, true, true),
        (0o700, true, true),
        (0o640, false, true),
        (0o440, false, true),
        (0o620, false, false),
        (0o610, false, false),
        (0o604, false, false),
        (0o602, false, false),
        (0o601, false, false),
        (0o644, false, false),
    ] {
        for (allow_group, allowed) in [(false, alone), (true, with_group)] {
            let expected = if allowed { Ok(3) } else { Err(VaultError::KeyFileMode(mode)) };
            assert_eq!(read(text.as_bytes(), mode, allow_group), expected, "{mode:o} {allow_group}");
        }
    }
    // Up to 64 KiB, which a read must be able to end within.
    let padded = |length: usize| [text.as_bytes(), &vec![b' '; length - text.len()]].concat();
    assert_eq!(read(&padded((64 << 10) - 1), 0o600, false), Ok(3));
    assert_eq!(read(&padded(64 << 10), 0o600, false), Err(VaultError::KeyFileContents));
    assert_eq!(read(&padded(1 << 20), 0o600, false), Err(VaultError::KeyFileContents));
    assert_eq!(read(b"ferrotp1_\xff", 0o600, false), Err(VaultError::KeyFileContents));
    assert_eq!(read(b"", 0o600, false), Err(VaultError::NoKeys));
    assert_eq!(read(b"ferrotp1_", 0o600, false), Err(VaultError::KeyText));
    // No file, and what is none: a folder, and a pipe, which must not be waited for.
    assert_eq!(Keyring::from_file(&directory, false).unwrap_err(), VaultError::KeyFileContents);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(Keyring::from_file(&file, false).unwrap_err(), VaultError::KeyFile(ErrorKind::NotFound));
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(Keyring::from_file(&file, false).unwrap_err(), VaultError::KeyFileContents);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn limits_are_reached_and_not_passed() {
    let keyring = Keyring::generate().unwrap();
    let totp = keyring.seal_otp(&ann(), Parameters::default(), b"12345678901234567890").unwrap();
    // A window of a thousand on either side, as it is written down.
    let at = 30 * 1001;
    assert_eq!(keyring.match_totp(&ann(), &totp, "287082", at, 1000, 0, None), Ok((1001, Some(1))));
    assert_eq!(keyring.match_totp(&ann(), &totp, "287082", at, 999, 1000, None), Ok((1001, None)));
    assert_eq!(keyring.match_totp(&ann(), &totp, "287082", at, 1001, 0, None), Err(VaultError::Window));
    assert_eq!(keyring.match_totp(&ann(), &totp, "287082", at, 0, 1001, None), Err(VaultError::Window));
    for length in [16, 128] {
        let record = keyring.new_otp(&ann(), Parameters::default(), length).unwrap();
        let (_, secret) = keyring.reveal_otp(&ann(), &record).unwrap();
        assert_eq!(secret.as_bytes().len(), length);
        assert!(secret.as_bytes().iter().any(|byte| *byte != 0));
    }
    // A version byte, 8 of the key's id, 16 of salt, 12 of nonce, 16 of tag, and at most 160 of contents.
    assert_eq!(MAX_RECORD, 1 + 8 + 16 + 12 + 16 + 160);
    assert!(key_id(&[&[1][..], &[0; 52]].concat()).is_ok());
    assert!(key_id(&[&[1][..], &[0; 51]].concat()).is_err());
    assert!(key_id(&[&[1][..], &[0; MAX_RECORD - 1]].concat()).is_ok());
    assert!(key_id(&[&[1][..], &[0; MAX_RECORD]].concat()).is_err());
}

#[test]
fn a_mac_is_of_its_key_its_label_and_its_texts() {
    let keyring = Keyring::new([Key::generate(), Key::generate()]).unwrap();
    let other = keyring.keys().nth(1).unwrap().id();
    let id = keyring.writing().id();
    let mac = keyring.mac(id, "label", &["a", "bc"]).unwrap();
    assert_eq!(keyring.mac(id, "label", &["a", "bc"]), Ok(mac));
    for (id, label, texts) in [
        (other, "label", &["a", "bc"][..]),
        (id, "labe", &["a", "bc"]),
        (id, "label", &["ab", "c"]),
        (id, "label", &["abc"]),
        (id, "label", &["a", "bc", ""]),
        (id, "label", &["", "a", "bc"]),
        (id, "label", &[]),
    ] {
        assert_ne!(keyring.mac(id, label, texts), Ok(mac), "{label} {texts:?}");
    }
    let alone = Keyring::generate().unwrap();
    assert_eq!(alone.mac(id, "label", &["a", "bc"]), Err(VaultError::UnknownKey(id)));
}

#[test]
fn two_steps_in_a_row_with_one_code_are_two_steps() {
    // One in a million, found by a search: 171762, 235522, 235522, 368665.
    let (keyring, step) = (Keyring::generate().unwrap(), 62_075_368);
    let secret = b"12345678901234567890";
    let totp = keyring.seal_otp(&ann(), Parameters::default(), secret).unwrap();
    let hotp = keyring.seal_otp(&ann(), hotp_parameters(6), secret).unwrap();
    let matched =
        |now: u64, accepted| keyring.match_totp(&ann(), &totp, "235522", now * 30, 1, 1, accepted).unwrap().1;
    for now in [step, step + 1] {
        assert_eq!(matched(now, None), Some(step));
        assert_eq!(matched(now, Some(step - 1)), Some(step));
        assert_eq!(matched(now, Some(step)), Some(step + 1));
        assert_eq!(matched(now, Some(step + 1)), Some(step + 1)); // not newer: it was used
    }
    assert_eq!(keyring.match_hotp(&ann(), &hotp, "235522", step - 1, 9), Ok(Some(step)));
    assert_eq!(keyring.match_hotp(&ann(), &hotp, "235522", step + 1, 9), Ok(Some(step + 1)));
    let pair = |one: &str, two: &str, accepted| {
        keyring.match_totp_pair(&ann(), &totp, one, two, (step + 1) * 30, 1, 1, accepted).unwrap().1
    };
    for (one, two, second) in
        [("171762", "235522", step), ("235522", "235522", step + 1), ("235522", "368665", step + 2)]
    {
        assert_eq!(pair(one, two, None), Some(second));
        assert_eq!(pair(one, two, Some(second - 2)), Some(second));
        assert_eq!(keyring.resync_hotp(&ann(), &hotp, one, two, step - 3, 9), Ok(Some(second)));
    }
    assert_eq!(pair("171762", "368665", None), None);
    // The first step of time has none before it.
    let first = keyring.match_totp_pair(&ann(), &totp, "755224", "287082", 0, 1, 0, None);
    assert_eq!(first, Ok((0, None)));
    let next = keyring.match_totp_pair(&ann(), &totp, "755224", "287082", 0, 1, 1, None);
    assert_eq!(next, Ok((0, Some(1))));
}
