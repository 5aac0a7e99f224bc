//! Real parts for the tests, the demo and the benchmarks.
