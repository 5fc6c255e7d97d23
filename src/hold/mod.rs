//! Holding back: what an upgrade would bring and the gate would refuse stays at the version that is
//! installed, until it is confirmed.
//!
//! apt is told by pins, which only take away. The hooks judge as before, whatever the pins say, so
//! nothing here admits anything.
//!
//! - [`mod@plan`]: which versions are to be held, worked out with apt's own simulations
//! - [`mod@preferences`]: the pins as apt reads them
//! - [`record`]: what is held, since when and why, as it is kept for people

mod plan;
mod preferences;
mod record;
#[cfg(test)]
mod tests;

pub use plan::{Cause, Harm, Held, Holding, Judge, Pin, Solver, Upgrade, plan};
pub use preferences::{FILE, preferences};
pub use record::{HeldPackage, HeldRecord, Released, STATE};
