//! Load generators and benchmarks for WHIP, WHEP, FLV and HLS servers.
