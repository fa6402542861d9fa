-- A database for each service; the image creates "hub".
CREATE DATABASE cull OWNER classroom;
CREATE DATABASE stats OWNER classroom;
CREATE DATABASE formgrader OWNER classroom;
