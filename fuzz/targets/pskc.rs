//! Any text is a PSKC document or none, with and without something to open it, and soon: reading takes a bounded time a
//! byte. The text is read a second time with each of its tags thirty times over, since what costs too much is nested or
//! repeated.
#![no_main]

use std::time::Duration;

use ferrotp::transfer::pskc::{self, Credential};

/// The processor time that this thread has used. What else runs on the machine does not count.
fn processor_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = statistics.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

fn read(text: &str) {
    let begin = processor_time();
    let _ = pskc::read(text, None);
    let _ = pskc::read(text, Some(Credential::Key(&[7; 16])));
    let taken = processor_time() - begin;
    // Over ten times what honest documents take, with the fuzzer's own counting.
    let budget = Duration::from_millis(50) + Duration::from_micros(2) * text.len() as u32;
    assert!(taken < budget, "{} bytes took {taken:?}", text.len());
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    read(text);
    read(&text.split_inclusive('>').map(|tag| tag.repeat(30)).collect::<String>());
});
