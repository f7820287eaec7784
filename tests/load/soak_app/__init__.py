"""What the soak adds to the server: settings that install this app, a slow tool, and a look at its tasks."""
