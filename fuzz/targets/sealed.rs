//! A sealed record that was changed, cut or lengthened in any way does not open, and says so without a panic.
#![no_main]

use std::sync::LazyLock;

use ferrotp::vault::{Keyring, Kind, Owner, Parameters, Purpose, key_id};
use ferrotp::{Algorithm, Digits};

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::generate().unwrap());
static RECORD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let parameters = Parameters::new(Kind::Totp { period: 30 }, Algorithm::Sha1, Digits::SIX).unwrap();
    KEYRING.seal_otp(&ann(), parameters, b"12345678901234567890").unwrap()
});

fn ann() -> Owner<'static> {
    Owner::new("acme", "ann", "phone").unwrap()
}

libfuzzer_sys::fuzz_target!(|input: (
    Vec<(u8, u8)>,
    Option<u8>,
    Vec<u8>,
    Option<Vec<u8>>,
    (&str, &str, &str),
    &str
)| {
    let (flips, cut, tail, whole, (tenant, user, factor), code) = input;
    // The real record with bytes changed, or something else altogether.
    let mut record = whole.unwrap_or_else(|| RECORD.clone());
    for (place, change) in flips {
        if let Some(byte) = record.get_mut(usize::from(place)) {
            *byte ^= change;
        }
    }
    record.truncate(cut.map_or(usize::MAX, usize::from));
    record.extend(tail);
    let _ = key_id(&record);
    let same = record == *RECORD;
    let owner = Owner::new(tenant, user, factor).unwrap_or(ann());
    let right = same && owner == ann();
    assert_eq!(KEYRING.reveal_otp(&owner, &record).is_ok(), right);
    assert_eq!(KEYRING.match_totp(&owner, &record, code, 59, 1, 1, None).is_ok(), right);
    assert_eq!(KEYRING.reseal(&owner, Purpose::Otp, &record).is_ok(), right);
    assert!(KEYRING.match_hotp(&owner, &record, code, 0, 3).is_err());
    assert!(KEYRING.resync_hotp(&owner, &record, code, code, 0, 3).is_err());
    assert!(KEYRING.check_recovery_code(tenant, user, "7K", &record, code).is_err());
});
