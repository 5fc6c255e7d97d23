//! Runs the program that the name in `argv[0]` selects.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A thread that panics must not leave the others waiting for it: the caller sees the program
    // die, and nothing passes.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    if cfg!(target_feature = "crt-static") && !apt_quorum::sys::name_service::load_nothing() {
        // The C library would load programs that were made for another one.
        return ExitCode::from(2);
    }
    let argv0 = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match argv0.file_name().and_then(|name| name.to_str()) {
        Some("pre-install-pkgs") => apt_quorum::hook::pre_install_pkgs(),
        Some("before-prompt") => apt_quorum::hook::before_prompt(),
        Some("dpkg-pre-invoke") => apt_quorum::hook::dpkg_pre_invoke(),
        Some("debsig-verify") => apt_quorum::hook::debsig_verify(),
        Some("apt-quorum-fetch") => apt_quorum::cli::fetch(),
        Some(name) if apt_quorum::method::is_name_of_a_method(name) => {
            apt_quorum::method::run(&argv0)
        }
        _ => apt_quorum::cli::run(),
    }
}
