//! Where secrets lie, and what a comparison costs.

#[path = "../constant_time.rs"]
mod constant_time;
#[path = "../zeroization.rs"]
mod zeroization;
