"""What docs/deploy holds is what it says: units, containers, web servers, dashboards and alerts."""
