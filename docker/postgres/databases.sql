-- One database for each that keeps something; "hub" is made by the image.
CREATE DATABASE cull OWNER classroom;
CREATE DATABASE stats OWNER classroom;
CREATE DATABASE formgrader OWNER classroom;
