//! How large a message may be: the same on every back end, so that what fits one fits all.

use crate::message::Message;
use crate::publisher::PublishError;

/// Most bytes of an id, a type, a routing key or a header's name: what an AMQP 0-9-1 short string holds.
pub const NAME_BYTES: usize = 255;
/// Largest body, in bytes. RabbitMQ from 4.0 on takes no more (`max_message_size`), and closes the channel otherwise.
pub const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of all headers of a message, names and values. They must fit one frame of AMQP (128 KiB by RabbitMQ's
/// default), or the broker closes the whole connection.
pub const HEADERS_BYTES: usize = 96 * 1024;

/// Whether the message fits every back end.
///
/// # Errors
/// [`PublishError::TooLarge`] names what is too large; it never repeats the contents.
pub fn fits(message: &Message) -> Result<(), PublishError> {
    name_fits(&message.id, "its id")?;
    name_fits(&message.kind, "its type")?;
    let mut headers = 0;
    for (name, value) in &message.headers {
        name_fits(name, "a header's name")?;
        headers += name.len() + value.len();
    }
    if headers > HEADERS_BYTES {
        return Err(PublishError::TooLarge(format!("its headers have {headers} bytes")));
    }
    if message.body.len() > BODY_BYTES {
        return Err(PublishError::TooLarge(format!("its body has {} bytes", message.body.len())));
    }
    Ok(())
}

/// Whether a name fits a short string. `what` begins the sentence: "its routing key".
///
/// # Errors
/// [`PublishError::TooLarge`] when it does not.
pub fn name_fits(name: &str, what: &str) -> Result<(), PublishError> {
    if name.len() > NAME_BYTES {
        return Err(PublishError::TooLarge(format!("{what} is longer than {NAME_BYTES} bytes")));
    }
    Ok(())
}
