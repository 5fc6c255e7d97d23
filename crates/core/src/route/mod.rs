//! The route by which a host is asked: a proxy and its login, by apt's settings or by the policy.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod auth;
pub mod proxy;
