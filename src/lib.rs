//! Vectide.

pub mod cli;
pub mod config;
