//! Vectide.
fn main() {}
