//! The only code that waits, reads, writes or asks the time.
