//! Tells the linker to write what the loader has to adjust as a bitmap (DT_RELR), which glibc
//! understands since 2.36 and binutils writes on amd64 since 2.38. As a list it is a tenth of what
//! the program has in memory.
#![allow(clippy::disallowed_macros, reason = "cargo reads what a build script prints")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("ARCH") == "x86_64" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
