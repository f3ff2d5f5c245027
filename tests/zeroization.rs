//! What the vault frees holds no secret.
//!
//! An allocator keeps a copy of every block that a thread frees while it is asked to; the copies are searched for each
//! secret of the operation, in pieces of eight bytes. What was on the stack is searched, too, as far as a test can: the
//! memory below the caller's frame, where the operation's frames were.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ferrotp::recovery::{self, Hashing, RecoveryCode, Scheme};
use ferrotp::vault::{Key, Keyring, Kind, Owner, Parameters, Purpose};
use ferrotp::{Algorithm, Digits, HmacKey, Secret, hotp};
use hkdf::Hkdf;
use sha2::Sha256;

thread_local! {
    /// Where this thread's freed blocks go: a buffer that nothing frees meanwhile, its room, and how much is used.
    static KEPT: Cell<(*mut u8, usize, usize)> = const { Cell::new((std::ptr::null_mut(), 0, 0)) };
}

struct Keeper;

impl Keeper {
    /// # Safety
    /// `block` is readable and initialised for `size` bytes.
    unsafe fn keep(block: *const u8, size: usize) {
        let _ = KEPT.try_with(|kept| {
            let (buffer, room, used) = kept.get();
            if !buffer.is_null() {
                assert!(room - used >= size, "the buffer is too small");
                // SAFETY: the buffer has room for it, and is not the block, which was freed after it was made.
                unsafe { std::ptr::copy_nonoverlapping(block, buffer.add(used), size) };
                kept.set((buffer, room, used + size));
            }
        });
    }
}

// SAFETY: the system's allocator does the work. Blocks begin as zeros, so that all of their bytes can be read later.
unsafe impl GlobalAlloc for Keeper {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's, and was zeros before that.
        unsafe { Self::keep(block, layout.size()) };
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) };
    }
    // `realloc` is the default: a new block, a copy, and `dealloc`, which sees the old one.
}

#[global_allocator]
static ALLOCATOR: Keeper = Keeper;

const STACK: usize = 48 << 10;

/// Calls `function`, and returns its result with what it left: the blocks that it freed, and the stack that it used.
fn left_by<R>(function: impl FnOnce() -> R) -> (R, Vec<u8>, Vec<u8>) {
    let mut freed = vec![0; 8 << 20];
    let mut stack = vec![0; STACK];
    clear_stack();
    KEPT.set((freed.as_mut_ptr(), freed.len(), 0));
    let result = run(function);
    let (_, _, used) = KEPT.replace((std::ptr::null_mut(), 0, 0));
    copy_stack(&mut stack);
    freed.truncate(used);
    (result, freed, stack)
}

#[inline(never)]
fn run<R>(function: impl FnOnce() -> R) -> R {
    function()
}

/// Leaves zeros where the next frames will be.
#[inline(never)]
fn clear_stack() {
    let mut here = [1u8; STACK];
    here.fill(0);
    std::hint::black_box(&mut here);
}

/// Copies what earlier frames left where this one begins to be. Nothing is called before it is read.
#[inline(never)]
fn copy_stack(to: &mut [u8]) {
    let here = std::mem::MaybeUninit::<[u8; STACK]>::uninit();
    let start = std::hint::black_box(here.as_ptr()).cast::<u8>();
    for (offset, to) in to.iter_mut().enumerate() {
        // SAFETY: within `here`. Its bytes are what was there before, and volatile reads are not optimised on the
        // ground that nobody wrote them.
        *to = unsafe { start.add(offset).read_volatile() };
    }
}

/// Whether `memory` holds eight bytes in a row of `secret`.
fn holds(memory: &[u8], secret: &[u8]) -> bool {
    assert!(secret.len() >= 8);
    let mut begins = vec![false; 1 << 16]; // most windows are sorted out by their first two bytes
    for piece in secret.windows(8) {
        begins[usize::from(u16::from_be_bytes([piece[0], piece[1]]))] = true;
    }
    memory.windows(8).any(|window| {
        begins[usize::from(u16::from_be_bytes([window[0], window[1]]))]
            && secret.windows(8).any(|piece| window == piece)
    })
}

#[track_caller]
fn assert_wiped(what: &str, freed: &[u8], stack: &[u8], secrets: &[(&str, &[u8])]) {
    for (name, secret) in secrets {
        assert!(!holds(freed, secret), "{what}: a freed block holds the {name}");
        assert!(!holds(stack, secret), "{what}: the stack holds the {name}");
    }
}

const KEY: [u8; 32] = *b"\xd1\x07\x9e\x22\x8f\x31\xc4\x5b\x60\xfa\x13\x88\x2d\xe7\x49\xb6\x05\xcc\x7e\x94\x1a\xb3\x58\xef\x02\x6d\xa1\x3f\xd8\x77\x90\x4c";
const SECRET: [u8; 32] = *b"\x3e\x81\xf5\x0a\x97\x62\xdb\x1c\x46\xb9\xe0\x25\x7d\xc8\x33\x9a\x5f\x14\xa6\xed\x79\x02\xbc\x41\xd6\x8b\x2f\x90\x65\xfe\x17\xca";

fn keyring() -> Keyring {
    Keyring::new([Key::from_bytes(&KEY)]).unwrap()
}

fn owner() -> Owner<'static> {
    Owner::new("tenant", "user", "factor").unwrap()
}

/// The key of a record, made from its description in docs/vault.md.
fn record_key(record: &[u8], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let info = format!("ferrotp v1 record {purpose}");
    Hkdf::<Sha256>::new(Some(&record[9..25]), &KEY).expand(info.as_bytes(), &mut key).unwrap();
    key
}

#[test]
fn the_search_finds_what_is_not_wiped() {
    let ((), freed, stack) = left_by(|| {
        let mut bytes = SECRET.to_vec();
        bytes.reserve(1000); // moves it, and leaves the old block
        std::hint::black_box(bytes);
        let mut here = [SECRET; 32]; // the first few bytes of the stack are the search's own
        std::hint::black_box(&mut here);
    });
    assert!(holds(&freed, &SECRET));
    assert!(holds(&stack, &SECRET));

    let (_, freed, _) = left_by(|| Secret::from_bytes(&SECRET).as_bytes().len());
    assert!(!holds(&freed, &SECRET));
}

#[test]
fn a_keyring_leaves_no_key() {
    let text = Key::from_bytes(&KEY).unwrap().to_text().to_string();
    let file = std::env::temp_dir().join(format!("ferrotp-zeroization-{}", std::process::id()));
    std::fs::write(&file, &text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let secrets: &[(&str, &[u8])] = &[("key", &KEY), ("key's text", text.as_bytes())];
    let operations: [(&str, &dyn Fn()); 4] = [
        ("from bytes", &|| drop(keyring())),
        ("from text", &|| drop(Keyring::from_text(&text).unwrap())),
        ("from a file", &|| drop(Keyring::from_file(&file, false).unwrap())),
        ("to text", &|| drop(Keyring::from_text(&text).unwrap().to_text())),
    ];
    for (name, operation) in operations {
        let ((), freed, stack) = left_by(operation);
        assert_wiped(name, &freed, &stack, secrets);
    }
    // Where it is refused, too.
    let twice = format!("{text} {text}");
    let (result, freed, stack) = left_by(|| Keyring::from_text(&twice));
    assert!(result.is_err());
    assert_wiped("refused", &freed, &stack, secrets);
    std::fs::remove_file(file).unwrap();
}

/// HMAC's state after the inner key block: as good as the key.
fn midstate(algorithm: Algorithm) -> Vec<u8> {
    let block = |size: usize| SECRET.iter().copied().chain(std::iter::repeat(0)).take(size).map(|b| b ^ 0x36);
    match algorithm {
        Algorithm::Sha256 => {
            let mut state = [
                0x6a09_e667u32,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ];
            let block: Vec<u8> = block(64).collect();
            sha2::block_api::compress256(&mut state, &[block.try_into().unwrap()]);
            state.iter().flat_map(|word| word.to_ne_bytes()).collect()
        }
        Algorithm::Sha1 => {
            let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
            let block: Vec<u8> = block(64).collect();
            sha1::block_api::compress(&mut state, &[block.try_into().unwrap()]);
            state.iter().flat_map(|word| word.to_ne_bytes()).collect()
        }
        Algorithm::Sha512 => SECRET.to_vec(),
    }
}

#[test]
fn a_sealed_secret_is_matched_and_nothing_of_it_is_left() {
    let keyring = keyring();
    let base32 = Secret::from_bytes(&SECRET).to_base32().to_string();
    for algorithm in Algorithm::ALL {
        let key = HmacKey::new(algorithm, &SECRET);
        let code = |counter| hotp::code(&key, counter, Digits::SIX).as_str().to_owned();
        let totp = Parameters::new(Kind::Totp { period: 30 }, algorithm, Digits::SIX).unwrap();
        let hotp = Parameters::new(Kind::Hotp, algorithm, Digits::SIX).unwrap();

        let (record, freed, stack) = left_by(|| keyring.seal_otp(&owner(), totp, &SECRET).unwrap());
        let record_key_ = record_key(&record, "otp");
        let midstate = midstate(algorithm);
        let secrets: &[(&str, &[u8])] = &[
            ("key", &KEY),
            ("record's key", &record_key_),
            ("secret", &SECRET),
            ("secret's base32", base32.as_bytes()),
            ("midstate", &midstate),
        ];
        assert_wiped("seal", &freed, &stack, secrets);

        let (found, freed, stack) =
            left_by(|| keyring.match_totp(&owner(), &record, &code(34), 1000, 1, 1, None).unwrap());
        assert_eq!(found, (33, Some(34)));
        assert_wiped("match TOTP", &freed, &stack, secrets);

        let (result, freed, stack) =
            left_by(|| keyring.match_totp(&owner(), &record, "000000", u64::MAX, 1, u64::MAX, None));
        assert!(result.is_err());
        assert_wiped("match out of range", &freed, &stack, secrets);

        let (revealed, freed, stack) = left_by(|| {
            let (_, secret) = keyring.reveal_otp(&owner(), &record).unwrap();
            secret.to_base32().len()
        });
        assert_eq!(revealed, base32.len());
        assert_wiped("reveal", &freed, &stack, secrets);

        let other = Owner::new("tenant", "user", "other").unwrap();
        let (result, freed, stack) = left_by(|| keyring.reveal_otp(&other, &record).is_err());
        assert!(result);
        assert_wiped("reveal for another", &freed, &stack, secrets);

        let newer = Keyring::new([Key::generate(), Key::from_bytes(&KEY)]).unwrap();
        let (resealed, freed, stack) =
            left_by(|| newer.reseal(&owner(), Purpose::Otp, &record).unwrap().is_some());
        assert!(resealed);
        assert_wiped("reseal", &freed, &stack, secrets);

        let record = keyring.seal_otp(&owner(), hotp, &SECRET).unwrap();
        let record_key_ = record_key(&record, "otp");
        let secrets: &[(&str, &[u8])] =
            &[("key", &KEY), ("record's key", &record_key_), ("secret", &SECRET), ("midstate", &midstate)];
        let (found, freed, stack) =
            left_by(|| keyring.match_hotp(&owner(), &record, &code(7), 5, 10).unwrap());
        assert_eq!(found, Some(7));
        assert_wiped("match HOTP", &freed, &stack, secrets);
        let (found, freed, stack) =
            left_by(|| keyring.resync_hotp(&owner(), &record, &code(7), &code(8), 5, 10).unwrap());
        assert_eq!(found, Some(8));
        assert_wiped("resync", &freed, &stack, secrets);
    }
}

#[test]
fn a_new_secret_is_left_in_its_record_alone() {
    let keyring = keyring();
    let (record, freed, stack) = left_by(|| keyring.new_otp(&owner(), Parameters::default(), 20).unwrap());
    let (_, secret) = keyring.reveal_otp(&owner(), &record).unwrap();
    assert_wiped("new", &freed, &stack, &[("key", &KEY), ("secret", secret.as_bytes())]);
}

#[test]
fn recovery_codes_are_made_and_checked_and_nothing_of_them_is_left() {
    let keyring = keyring();
    let argon2id = Scheme::Argon2id { memory_kib: 64, passes: 2, lanes: 1 };
    for scheme in [argon2id, Scheme::Pbkdf2 { iterations: 1000 }] {
        let hashing = Hashing::new(scheme).unwrap();
        let (set, freed, stack) = left_by(|| {
            // Enough for PBKDF2 to go side by side.
            let set = keyring.new_recovery_codes("tenant", "user", 5, hashing).unwrap();
            set.into_iter().map(|new| (new.code.to_text().to_string(), new.record)).collect::<Vec<_>>()
        });
        for (text, record) in &set {
            let plain = text.replace('-', "");
            let secrets: &[(&str, &[u8])] = &[("key", &KEY), ("code", plain.as_bytes())];
            // The text that is shown was freed nowhere: it is in `set`.
            assert_wiped("new codes", &freed, &stack, secrets);
            assert!(!holds(&freed, text.as_bytes()));

            let selector = &plain[..2];
            let typed = text.to_lowercase();
            let (right, freed, stack) =
                left_by(|| keyring.check_recovery_code("tenant", "user", selector, record, &typed).unwrap());
            assert!(right);
            let hash = hash_of(hashing, record, selector, plain.as_bytes());
            let block = first_argon2_block(hashing, record, selector, plain.as_bytes());
            let secrets: &[(&str, &[u8])] = &[
                ("key", &KEY),
                ("record's key", &record_key(record, "recovery")),
                ("code", plain.as_bytes()),
                ("hash", &hash),
                ("Argon2 memory", &block),
            ];
            assert_wiped("check", &freed, &stack, secrets);

            let ((), freed, stack) = left_by(|| drop(RecoveryCode::parse(&typed).unwrap().to_text()));
            assert_wiped("parse", &freed, &stack, &[("code", plain.as_bytes()), ("text", text.as_bytes())]);
        }
    }
}

#[test]
fn codes_of_another_system_are_hashed_and_found_and_nothing_of_them_is_left() {
    let keyring = keyring();
    let hashing = Hashing::new(Scheme::Argon2id { memory_kib: 64, passes: 2, lanes: 1 }).unwrap();
    let code = "canaryofthecrow";
    let (set, freed, stack) = left_by(|| {
        keyring.hash_recovery_codes("tenant", "user", &["CANARY-OF-THE-CROW", "12345678"], hashing).unwrap()
    });
    let hash = hash_of(hashing, &set[0].1, "~00", code.as_bytes());
    let block = first_argon2_block(hashing, &set[0].1, "~00", code.as_bytes());
    let secrets: &[(&str, &[u8])] =
        &[("key", &KEY), ("code", code.as_bytes()), ("hash", &hash), ("Argon2 memory", &block)];
    assert_wiped("hash", &freed, &stack, secrets);

    let records: Vec<_> =
        set.iter().map(|(selector, record)| (selector.as_str(), record.as_slice())).collect();
    let (found, freed, stack) =
        left_by(|| keyring.find_recovery_code("tenant", "user", &records, "Canary of the Crow").unwrap());
    assert_eq!(found, Some("~00"));
    assert_wiped("find", &freed, &stack, secrets);
}

#[test]
fn a_dummy_check_takes_the_memory_of_a_check() {
    let keyring = keyring();
    let hashing = Hashing::new(Scheme::Argon2id { memory_kib: 256, passes: 1, lanes: 1 }).unwrap();
    let new = keyring.new_recovery_codes("tenant", "user", 1, hashing).unwrap().remove(0);
    let (selector, typed) = (new.code.selector(), new.code.to_text());
    let (right, of_a_check, _) =
        left_by(|| keyring.check_recovery_code("tenant", "user", selector, &new.record, &typed).unwrap());
    assert!(right);
    let ((), of_a_dummy, _) = left_by(|| recovery::dummy_check(hashing).unwrap());
    assert!(of_a_dummy.len() >= 256 << 10, "{}", of_a_dummy.len());
    assert!(of_a_check.len() - of_a_dummy.len() < 1024, "{} and {}", of_a_check.len(), of_a_dummy.len());
}

/// The salt and the hash in a recovery record, opened as docs/vault.md describes.
fn opened(record: &[u8], selector: &str) -> Vec<u8> {
    use aes_gcm::aead::{AeadInOut, KeyInit};
    let mut data = record[..9].to_vec();
    for name in ["tenant", "user", selector, "recovery"] {
        data.extend((name.len() as u32).to_be_bytes());
        data.extend(name.as_bytes());
    }
    let key = record_key(record, "recovery");
    let (text, tag) = record[37..].split_last_chunk::<16>().unwrap();
    let mut text = text.to_vec();
    let nonce: &[u8; 12] = record[25..37].try_into().unwrap();
    aes_gcm::Aes256Gcm::new((&key).into())
        .decrypt_inout_detached(nonce.into(), &data, text.as_mut_slice().into(), tag.into())
        .unwrap();
    text
}

fn hash_of(hashing: Hashing, record: &[u8], selector: &str, code: &[u8]) -> Vec<u8> {
    let opened = opened(record, selector);
    let (start, hash) = opened.split_at(opened.len() - 32);
    if let Scheme::Pbkdf2 { iterations } = hashing.scheme() {
        let mut expected = [0; 32];
        pbkdf2::pbkdf2::<hmac::Hmac<Sha256>>(code, &start[start.len() - 16..], iterations, &mut expected)
            .unwrap();
        assert_eq!(hash, expected);
    }
    hash.to_vec()
}

/// A block of Argon2's memory; for PBKDF2 something that is nowhere.
fn first_argon2_block(hashing: Hashing, record: &[u8], selector: &str, code: &[u8]) -> Vec<u8> {
    let Scheme::Argon2id { memory_kib, passes, lanes } = hashing.scheme() else {
        return b"this is not there".to_vec();
    };
    let opened = opened(record, selector);
    let parameters = argon2::Params::new(memory_kib, passes, lanes, Some(32)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut memory = vec![argon2::Block::new(); memory_kib as usize];
    let mut hash = [0; 32];
    argon2.hash_password_into_with_memory(code, &opened[13..29], &mut hash, memory.as_mut_slice()).unwrap();
    assert_eq!(hash, opened[29..]);
    let words: &[u64] = memory[9].as_ref();
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
