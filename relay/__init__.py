"""The moving node: hears packets by radio, keeps custody, hands them to the truck."""
