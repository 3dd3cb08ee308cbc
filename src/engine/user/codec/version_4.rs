//! What version 4 adds, behind all that version 3 has: clients on probation.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::state::{Frame, put_known, take_known, take_list, take_vec};
use crate::engine::user::visitor::{VISITORS_MAX, VisitedNetwork, Visitor};
use crate::engine::user::{Baseline, UserState};

pub(super) fn put(writer: &mut Writer<'_>, frame: &Frame, state: &UserState) {
    let baseline = &state.baseline;
    writer.number(state.visitors.len() as u32, 0);
    for visitor in &state.visitors {
        let Visitor { device, browser, operating_system, first, last, networks } = visitor;
        put_known(writer, *device, &baseline.device);
        put_known(writer, *browser, &baseline.browser);
        put_known(writer, *operating_system, &baseline.operating_system);
        frame.put_time(writer, *first);
        frame.put_time(writer, *last);
        writer.number(networks.len() as u32, 0);
        for network in networks {
            put_known(writer, network.asn, &baseline.asn);
            put_known(writer, network.prefix, &baseline.prefix);
        }
    }
}

/// Fills in what version 3 left at its default.
pub(super) fn take(reader: &mut Reader<'_>, frame: &Frame, state: &mut UserState) -> Result<(), StateCodecError> {
    let baseline = &state.baseline;
    state.visitors =
        take_vec(reader, 0, VISITORS_MAX, "visitors", |reader| take_visitor(reader, frame, baseline))?;
    Ok(())
}

fn take_visitor(reader: &mut Reader<'_>, frame: &Frame, baseline: &Baseline) -> Result<Visitor, StateCodecError> {
    Ok(Visitor {
        device: take_known(reader, &baseline.device)?,
        browser: take_known(reader, &baseline.browser)?,
        operating_system: take_known(reader, &baseline.operating_system)?,
        first: frame.take_time(reader)?,
        last: frame.take_time(reader)?,
        networks: take_list(reader, 0, "networks of a visitor", |reader| {
            Ok(VisitedNetwork {
                asn: take_known(reader, &baseline.asn)?,
                prefix: take_known(reader, &baseline.prefix)?,
            })
        })?,
    })
}
