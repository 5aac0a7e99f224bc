//! Entry point of the operator.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Two TLS stacks in one process make clients panic, so the one is chosen before anything can ask for it.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("another TLS crypto provider is installed already");
        return ExitCode::FAILURE;
    }
    oauth_client_operator::cli::main()
}
