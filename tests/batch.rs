//! Sets of keys: what they refuse. That their codes are right is tested from Python, beside the codes of single objects.

use std::sync::atomic::{AtomicUsize, Ordering};

use ferrotp::batch::{ENOUGH_FOR_THREADS, KeySet, Numbers, in_parts};
use ferrotp::{Algorithm, Digits, Error, HmacKey, hotp};

fn numbers(digits: u8) -> Numbers {
    Numbers { digits: Digits::new(digits).unwrap(), period: 30, steam: false }
}

/// Keys of six and of eight digits, an empty place, and one that is Steam's.
fn set() -> KeySet {
    let mut set = KeySet::default();
    let key = |byte: u8| HmacKey::new(Algorithm::Sha1, &[byte; 20]);
    set.push(&key(1), numbers(6));
    set.push(&key(2), numbers(8));
    set.push_empty();
    set.push(&key(3), Numbers { steam: true, ..numbers(10) });
    set
}

#[test]
fn a_buffer_that_is_too_short_or_too_narrow_is_an_error_and_codes_are_never_cut() {
    let set = set();
    assert_eq!((set.len(), set.width()), (4, 8));
    let mut codes = [b'x'; 4 * 8];
    assert_eq!(set.codes(0..4, 59, 8, &mut codes), Ok(()));
    let expected = |byte: u8, digits: u8| {
        let key = HmacKey::new(Algorithm::Sha1, &[byte; 20]);
        hotp::code(&key, 1, Digits::new(digits).unwrap()).as_str().to_owned()
    };
    assert_eq!(codes[..8], *format!("{}\0\0", expected(1, 6)).as_bytes());
    assert_eq!(codes[8..16], *expected(2, 8).as_bytes());
    assert_eq!(codes[16..24], [b'x'; 8], "an empty place's bytes stay as they are");
    assert_eq!(codes[29..], [0; 3]);

    assert_eq!(set.codes(0..4, 59, 8, &mut codes[..31]), Err(Error::BufferSize));
    assert_eq!(set.codes(0..4, 59, 7, &mut [0; 28]), Err(Error::BufferSize));
    assert_eq!(set.codes(0..4, 59, usize::MAX, &mut codes), Err(Error::BufferSize));
    // Where the places asked for have short codes alone, they fit.
    assert_eq!(set.codes(0..1, 59, 6, &mut codes[..6]), Ok(()));
    assert_eq!(set.codes(1..2, 59, 6, &mut codes[..6]), Err(Error::BufferSize));
}

#[test]
fn what_is_typed_and_what_is_answered_stand_for_the_same_places() {
    let set = set();
    let mut codes = [0; 4 * 8];
    set.codes(0..4, 59, 8, &mut codes).unwrap();
    let typed = [&codes[..6], &codes[8..16], b"", &codes[24..29]];
    let mut right = [None; 4];
    assert_eq!(set.verify(0..4, 59, 1, &typed, &mut right), Ok(()));
    assert_eq!(right, [Some(true), Some(true), None, Some(true)]);
    for (typed, places) in [(&typed[..3], 4), (&typed[..], 3)] {
        let mut right = [None; 4];
        assert_eq!(set.verify(0..4, 59, 1, typed, &mut right[..places]), Err(Error::BufferSize));
        assert_eq!(right, [None; 4], "nothing is answered");
    }
    // A code of zeros is no code of a key that makes another.
    let mut right = [None; 4];
    set.verify(0..4, 59, 1, &[b"000000", b"00000000", b"", b"22222"], &mut right).unwrap();
    assert_eq!(right, [Some(false), Some(false), None, Some(false)]);
}

#[test]
fn an_error_in_one_part_is_the_answer_of_all() {
    let count = ENOUGH_FOR_THREADS * 4;
    for threads in [1, 2] {
        let mut results = vec![0u8; count];
        let parts = AtomicUsize::new(0);
        let work = |places: std::ops::Range<usize>, results: &mut [u8]| {
            parts.fetch_add(1, Ordering::Relaxed);
            results.fill(1);
            if places.contains(&(count / 2)) { Err(Error::MissingKey) } else { Ok(()) }
        };
        assert_eq!(in_parts(count, threads, &mut results, 1, work), Err(Error::MissingKey));
        assert!(parts.into_inner() < count / 1024, "parts after an error are left out");
        assert_eq!(in_parts(count, threads, &mut results, 1, |_, _| Ok(())), Ok(()));
    }
}
