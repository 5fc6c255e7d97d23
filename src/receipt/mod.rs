//! Receipts as the gate writes them, and the reading of them, which only commands do.

mod decided;
mod kept;

pub use apt_quorum_gate::receipt::*;
pub use decided::{Decided, DecidedClaim, DecidedReason, DecidedStanding, decided};
pub use kept::{Admitted, admitted, open, rested_on, signed_bytes};
