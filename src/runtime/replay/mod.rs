pub mod framing;
mod scan;
pub mod source;
