//! Bytes to bytes: RTP payloads to access units, one timeline, FLV, fMP4 and playlists.
