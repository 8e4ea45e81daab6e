"""What operators look at: metrics, prices, traces and logs."""
