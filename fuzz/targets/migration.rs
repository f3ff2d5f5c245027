//! Any bytes are Google Authenticator's export or none. What is read can be written and read again.
#![no_main]

use base64ct::{Base64Url, Encoding};
use ferrotp::transfer::migration::{self, Account};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // As the URI itself, and as what it carries.
    if let Ok(uri) = core::str::from_utf8(data) {
        let _ = migration::decode(uri);
    }
    let uri = format!("{}data={}", migration::PREFIX, Base64Url::encode_string(data));
    let Ok(payload) = migration::decode(&uri) else { return };
    let accounts: Vec<Account> = payload.accounts.into_iter().flatten().collect();
    let written = migration::encode(&accounts, payload.part).expect("what was read can be written");
    let again = migration::decode(&written).expect("our own export");
    assert_eq!(again.part, payload.part);
    assert_eq!(again.accounts.len(), accounts.len());
    for (again, account) in again.accounts.iter().zip(&accounts) {
        let again = again.as_ref().expect("our own account");
        assert_eq!(again.secret.as_bytes(), account.secret.as_bytes());
        assert_eq!((&again.name, &again.issuer), (&account.name, &account.issuer));
        assert_eq!((again.hash, again.moving), (account.hash, account.moving));
    }
});
