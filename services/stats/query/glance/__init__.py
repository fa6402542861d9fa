"""What a person grasps at a glance: a first screen, and a student's own week. Pure."""
