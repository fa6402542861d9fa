"""What a person grasps at a glance. Pure."""
