"""What tests stand on: a real server, and a client of the contract over each transport."""
