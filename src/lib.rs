//! Vectide.
