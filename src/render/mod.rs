//! Findings → output records.
