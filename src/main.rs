//! The binary: arguments → command → exit code.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
