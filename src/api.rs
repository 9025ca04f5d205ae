//! The kinds that users write, and the types they share. No I/O.

pub mod number;
