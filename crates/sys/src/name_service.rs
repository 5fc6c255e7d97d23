//! Who tells a program without shared libraries the addresses of hosts and the numbers of users.
//!
//! By /etc/nsswitch.conf, the C library loads a shared library for each source. A program that was
//! linked statically would load the running system's, which bring along that system's C library:
//! another one than its own, and the end of the process where their versions differ.
#![allow(unsafe_code, reason = "a function of the C library that nobody else declares")]

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    /// Sets the sources for one kind of names in place of /etc/nsswitch.conf (glibc's nss.h).
    fn __nss_configure_lookup(database: *const c_char, sources: *const c_char) -> c_int;
}

/// The databases that are looked up here, and the sources for them that are inside of the C library
/// itself, from glibc 2.34: files below /etc, and DNS.
const DATABASES: [(&CStr, &CStr); 3] =
    [(c"hosts", c"files dns"), (c"passwd", c"files"), (c"group", c"files")];

/// Has the C library look names up without loading anything. Says whether it will.
///
/// To be called before any thread is started and any name is looked up.
#[must_use]
pub fn load_nothing() -> bool {
    DATABASES.iter().all(|(database, sources)| {
        // SAFETY: both are constant strings that end in a zero byte, of which the C library makes
        // copies, and no other thread is looking anything up.
        unsafe { __nss_configure_lookup(database.as_ptr(), sources.as_ptr()) == 0 }
    })
}
