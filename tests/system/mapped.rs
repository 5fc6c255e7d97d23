//! A file that is mapped into memory for writing, and closed.
#![allow(unsafe_code, reason = "a mapping that others' files show through has no safe wrapper")]

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::ptr::NonNull;

use nix::libc::c_void;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The first byte of a file, as long as this lives.
pub struct Mapped(NonNull<c_void>);

// SAFETY: a mapping belongs to the whole process.
unsafe impl Sync for Mapped {}

impl Mapped {
    pub fn of(path: &Path) -> Self {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let (length, access) = (NonZeroUsize::MIN, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
        // SAFETY: a new mapping.
        Self(unsafe { mmap(None, length, access, MapFlags::MAP_SHARED, &file, 0) }.unwrap())
    }

    pub fn write(&self, byte: u8) {
        // SAFETY: the mapping has that byte, and nothing refers to it.
        unsafe { self.0.cast::<u8>().write_volatile(byte) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made above, which nothing refers to.
        unsafe { munmap(self.0, 1) }.unwrap();
    }
}
