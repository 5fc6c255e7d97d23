//! apt's formats: messages between apt and its methods, hook input, index stanzas,
//! configuration.
//!
//! Pure: bytes in, values out. What comes from apt itself is trusted to be what the
//! administrator configured; what comes from a wrapped method or a mirror is not.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod configuration;
pub mod hook_input;
pub mod index;
pub mod json_hook;
pub mod message;
pub mod simulation;
pub mod sources;
