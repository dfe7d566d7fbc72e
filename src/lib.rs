//! Vectide.

pub mod config;
