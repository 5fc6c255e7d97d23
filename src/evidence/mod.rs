//! Evidence as the gate asks for it, and what only commands do with it: they write bundles, and take
//! stock of the evidence on this machine.

mod at_hand;
mod pack;
mod stock;
mod survey;

pub use apt_quorum_gate::evidence::*;
pub use at_hand::{AtHand, about};
pub use stock::{Stock, Taken, take};
pub use survey::{Surveyed, survey};

/// Bundles: reading, which the gate does, and writing.
pub mod bundle {
    pub use super::pack::{PackError, Packer, list};
    pub use apt_quorum_gate::evidence::bundle::*;
}
