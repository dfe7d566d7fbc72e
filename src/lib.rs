//! Vectide.

pub mod cli;
