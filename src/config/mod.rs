//! The configuration as the gate reads it, and the writing of it, which only commands do.

mod change;
mod draft;
mod exception_text;
mod setting;
mod whole;

pub use apt_quorum_gate::config::*;
pub use change::{Change, ChangeError};
pub use draft::{Draft, DraftEndpoint, DraftKey, toml_text};
pub use exception_text::{Removed, exception_table, with_end, without_exception};
pub use setting::{with_setting, with_threshold, without_setting};
pub use whole::{Whole, WholeError};
