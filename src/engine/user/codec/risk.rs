//! What is remembered of a user's risk as a whole ↔ bits: new in version 2, behind all that version 1 has.

use super::StateCodecError;
use super::bits::{Reader, Writer};
use super::state::Frame;
use super::text::{put_text, take_text};
use super::words::{put_word, take_word};
use crate::engine::risk::user::RiskFile;
use crate::engine::user::record::Identity;

pub(super) fn put(writer: &mut Writer<'_>, frame: &Frame, file: Option<&RiskFile>, identity: Option<&Identity>) {
    writer.flag(file.is_some());
    if let Some(file) = file {
        let RiskFile { changed, is_deleted, closed_as, user_principal_name, user_display_name } = file;
        frame.put_time(writer, *changed);
        writer.flag(*is_deleted);
        put_word(writer, closed_as.0);
        put_word(writer, closed_as.1);
        put_text(writer, user_principal_name);
        put_text(writer, user_display_name);
    }
    writer.flag(identity.is_some());
    if let Some(Identity { tenant_id, user_id }) = identity {
        put_text(writer, tenant_id);
        put_text(writer, user_id);
    }
}

type Taken = (Option<Box<RiskFile>>, Option<Box<Identity>>);

pub(super) fn take(reader: &mut Reader<'_>, frame: &Frame) -> Result<Taken, StateCodecError> {
    let mut file = None;
    if reader.flag()? {
        file = Some(Box::new(RiskFile {
            changed: frame.take_time(reader)?,
            is_deleted: reader.flag()?,
            closed_as: (take_word(reader)?, take_word(reader)?),
            user_principal_name: take_text(reader)?.into(),
            user_display_name: take_text(reader)?.into(),
        }));
    }
    let mut identity = None;
    if reader.flag()? {
        let tenant_id = take_text(reader)?.into();
        identity = Some(Box::new(Identity { tenant_id, user_id: take_text(reader)?.into() }));
    }
    Ok((file, identity))
}
