//! Google Authenticator's export, for every input.

use ferrotp::transfer::migration::{self, Account, Hash, Moving, Part};
use ferrotp::{Algorithm, Secret};
use proptest::prelude::*;

fn hashes() -> impl Strategy<Value = Hash> {
    prop::sample::select(vec![
        Hash::Otp(Algorithm::Sha1),
        Hash::Otp(Algorithm::Sha256),
        Hash::Otp(Algorithm::Sha512),
        Hash::Md5,
    ])
}

fn movings() -> impl Strategy<Value = Moving> {
    prop_oneof![Just(Moving::Totp), (0..=i64::MAX as u64).prop_map(Moving::Hotp)]
}

prop_compose! {
    fn accounts()(
        secret in prop::collection::vec(any::<u8>(), 1..70),
        name: String,
        issuer: String,
        hash in hashes(),
        eight_digits: bool,
        moving in movings(),
    ) -> Account {
        Account { secret: Secret::from_bytes(&secret), name, issuer, hash, eight_digits, moving }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        accounts in prop::collection::vec(accounts(), 0..12),
        batch: i32,
        (index, size) in (1u32..=migration::MAX_PARTS).prop_flat_map(|size| (0..size, Just(size))),
    ) {
        let part = Part { batch, index, size };
        let payload = migration::decode(&migration::encode(&accounts, part).unwrap()).unwrap();
        prop_assert_eq!(payload.part, part);
        prop_assert_eq!(payload.accounts.len(), accounts.len());
        for (read, written) in payload.accounts.iter().zip(&accounts) {
            let read = read.as_ref().unwrap();
            prop_assert_eq!(read.secret.as_bytes(), written.secret.as_bytes());
            prop_assert_eq!(&read.name, &written.name);
            prop_assert_eq!(&read.issuer, &written.issuer);
            prop_assert_eq!(read.hash, written.hash);
            prop_assert_eq!(read.eight_digits, written.eight_digits);
            prop_assert_eq!(read.moving, written.moving);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        use base64ct::Encoding;
        let uri = format!("{}data={}", migration::PREFIX, base64ct::Base64Url::encode_string(&bytes));
        let _ = migration::decode(&uri);
    }

    #[test]
    fn a_changed_payload_is_read_or_refused(
        accounts in prop::collection::vec(accounts(), 1..4),
        place: prop::sample::Index,
        byte: u8,
    ) {
        use base64ct::{Base64, Encoding};
        let uri = migration::encode(&accounts, Part { batch: 7, index: 0, size: 1 }).unwrap();
        let text = uri.strip_prefix(migration::PREFIX).unwrap().strip_prefix("data=").unwrap();
        let text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        let mut bytes = Base64::decode_vec(&text).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = migration::decode(&format!("{}data={}", migration::PREFIX, Base64::encode_string(&bytes)));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        prop_assert!(migration::decode(&text).is_err());
        let _ = migration::decode(&format!("{}{text}", migration::PREFIX));
        let _ = migration::decode(&format!("{}data={text}", migration::PREFIX));
        let _ = ferrotp::transfer::pskc::read(&text, None);
    }
}

#[test]
fn debug_leaves_the_secret_out() {
    let account = Account {
        secret: Secret::from_bytes(b"canary canary canary"),
        name: "a".into(),
        issuer: "b".into(),
        hash: Hash::Md5,
        eight_digits: false,
        moving: Moving::Totp,
    };
    let uri =
        migration::encode(std::slice::from_ref(&account), Part { batch: 1, index: 0, size: 1 }).unwrap();
    let payload = migration::decode(&uri).unwrap();
    for text in [format!("{account:?}"), format!("{payload:?}")] {
        assert!(text.contains("redacted"));
        assert!(!text.contains("canary") && !text.contains("99, 97, 110, 97, 114, 121"));
    }
}

#[test]
fn counters_over_63_bits_are_not_written() {
    let account = Account {
        secret: Secret::from_bytes(&[1; 20]),
        name: String::new(),
        issuer: String::new(),
        hash: Hash::Otp(Algorithm::Sha1),
        eight_digits: false,
        moving: Moving::Hotp(1 << 63),
    };
    assert!(migration::encode(&[account], Part { batch: 1, index: 0, size: 1 }).is_none());
}
