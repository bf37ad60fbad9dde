//! fMP4 over HTTP and WebSockets: an initialization section, then the parts that HLS has, as they are
//! cut.

mod body;

pub(crate) use body::FragmentBody;
