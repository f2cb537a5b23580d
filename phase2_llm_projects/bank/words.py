"""The words of the world: people, services, teams, and what only looks like a person."""

from __future__ import annotations

# First names as a directory would list them; the training texts use every other one (people.py), so that a finder
# which learnt them by heart shows.
FIRST_NAMES = tuple(
    """
    Aaron Abena Adam Adele Adriana Agnieszka Ahmed Aisha Akira Alan Alejandro Aleksandra Alice Amina Amir Ana Anders
    Andrea Andreas Andrew Angela Anika Anita Anna Antoine Anton Antonio Arjun Arturo Astrid Barbara Beatriz Ben Benedikt
    Benoît Björn Boris Brigitte Bruno Camille Carlos Carmen Caroline Catherine Cecilia Charlotte Chiara Chiamaka
    Chinedu Christine Christopher Claire Claudia Clément Colin Daniel Daniela David Deepak Diana Diego Dieter Dimitri
    Dominik Dorota Eduardo Eleni Elena Élodie Elif Elisabeth Emeka Emily Emma Enrique Eric Erik Esra Esther Eva Fatima
    Felix Fernando Filip François Françoise Frank Franziska Frédéric Gabriela Georg George Gerhard Giorgos Giovanni Giulia
    Gonzalo Gregor Guillaume Gustavo Hamza Hana Hannah Hans Hassan Heike Heinrich Helen Helga Hélène Henrik Hiroshi Hugo
    Hyun Ibrahim Ifeoma Igor Ines Ingrid Irina Isabel Ivan Jakub James Jamal Jan Jana Janet Javier Jean Jelena Jennifer
    Jens Jin Joanna João Johan Johanna John Jonas Jorge José Joseph Juan Jun Jürgen Kaito Karen Karim Karin Karl Katarzyna
    Katharina Kavita Keiko Kemal Kenji Khadija Klaus Konstantin Kwame Lakshmi Lars Laura Laurent Layla Leila Lena Leon
    Leonardo Li Liam Lina Linda Ling Lucía Luis Lukas Luca Magdalena Maja Malik Manuel Marc Marco Marek Margaret Maria
    María Marie Marta Martin Matteo Matthias Max Mehmet Mei Michael Miguel Mikhail Milan Mohamed Monika Mustafa Nadia
    Naoko Natalia Neha Ngozi Nicolas Nikhil Nina Noah Nora Olga Oliver Olivier Omar Oscar Pablo Pascal Patricia Patrick
    Paul Paula Pavel Pedro Peter Petra Philippe Pierre Piotr Priya Rachel Rafael Rahul Raj Ravi Rebecca Renate Ricardo
    Richard Robert Roberto Rosa Sabine Sakura Samira Samuel Sandra Sanjay Sara Sebastian Sergei Shreya Silvia Simon Sofia
    Søren Stefan Stephanie Sunil Susan Suresh Svetlana Takashi Tamara Tatiana Thomas Tiago Tobias Tomasz Ulrike Uwe
    Valentina Vera Vijay Vikram Viktor Vincent Walter Wanjiru Wei Wolfgang Xavier Yasmin Yuki Yusuf Zainab Zeynep Zofia
    Mark May April June Grace Rose Will Bill Art Hope Victoria Cassandra Jasmine Ruby Julia Florence Austin Sydney Paris
    """.split()
)

SURNAMES = tuple(
    """
    Abdullah Acheampong Andersson Banerjee Barbieri Bauer Becker Bernard Bianchi Brown Carvalho Castillo Chatterjee Chen
    Costa Czarnecki Dąbrowski Delacroix Demir Diallo Dubois Eriksson Evans Fernández Fischer Fontaine Fujita García Gonçalves
    Greenwood Gupta Haddad Hansen Hofmann Horváth Hughes Ivanova Jansen Jovanović Kaya Kimura Kowalczyk Kovács Krüger Kumar
    Lefèvre Lindqvist Lopes Maier Martínez Mbeki Mensah Moreau Murphy Nakamura Nowak Nwosu Obi Okafor Oliveira O'Connor
    Papadopoulos Patel Petrov Popescu Reddy Richter Rossi Saleh Sánchez Schneider Sharma Silva Singh Sokolov Suzuki Szabó
    Tanaka Taylor Thompson Vasquez Virtanen Wagner Walker Wang Weber Williams Wójcik Yamamoto Yıldız Zhang Zimmermann
    """.split()
)

# How a text announces that a person follows; compared in lower case, without a dot or a colon.
CUES = frozenset(
    """
    mr mrs ms miss dr prof herr frau monsieur madame mme señor señora sr sra signor signora customer client cardholder
    holder payee beneficiary dear contact caller colleague reporter assignee owner employee regards sincerely approver
    """.split()
)

# Words with a capital that are nobody, or not always: calendar, tools and servers, words of a bank, first words.
MISLEADING = frozenset(
    """
    January February March April May June July August September October November December Monday Tuesday Wednesday
    Thursday Friday Saturday Sunday Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec
    Jenkins Kafka Grafana Cassandra Jira Ansible Oracle Helm Vault Terraform Prometheus Kibana Redis Postgres Tomcat Apache
    Nagios Splunk Airflow Jasmine Victoria Julia Ruby Pascal Hudson Bamboo Nexus Artemis Hermes Apollo Athena Zeus Mercury
    Titan Confluence Docker Kubernetes Linux Windows Python Java Maven Gradle Selenium Sonar Consul Envoy Istio Elastic
    Bank Team Cluster Broker Server Service Services Support Portal Metrics Node Nodes Release Build Pipeline Payments
    Account Card Desk Operations Branch Department Office Gateway Ledger Treasury Risk Compliance Settlement Reporting
    Mobile Online Credit Debit Customer Client Payee Holder Contact Caller Order Ticket Incident Change Request Error
    Warning Failure Status Priority Version Station Streams Connect Dashboard Exporter Queue Topic Test Tests Suite Script
    Paris London Frankfurt Madrid Florence Austin Sydney Berlin Zurich Lisbon Dublin Warsaw Vienna Brussels Milan
    Mark Will Grace Rose Bill Art Hope
    A After All Also An And Any Are As Ask Asked At Because Before Both But By Call Called Can Cannot Check Confirmed
    Could Day Dear Did Do Does Each Earlier Every Everybody Everyone First For From Had Has Have He Hello Her Here Hi His
    How However I If In Is It Its Last Later Let Look Maybe Meanwhile Mr Mrs Ms Miss Dr Prof Herr Frau Madame Monsieur Mme
    Señor Señora Sr Sra Signor Signora My New Next No Nobody Not Note Nothing Now Of On Once One Only Or Our Owner Please
    Reported Reporter Re Regards She Since So Some Someone Somebody Spoke Still Subject Thank Thanks That The Their Then
    There These They This Those Though Three To Today Together Tomorrow Tonight Two Under Until Up Was We Were What When
    Where Which While Who Why With Without Would Yes Yesterday Yet You Your Best Kind Sincerely Assignee Approver Employee
    About Above According Across Against Along Already Although Always Among Another Around Away Back Behind Below Besides
    Between Beyond During Either Else Enough Even Ever Few Further Hence Indeed Instead Less Like Likewise Many Me More
    Most Much Must Near Neither Never Nevertheless None Nor Off Often Other Others Otherwise Over Perhaps Quite Rather
    Same Several Shall Should Sometimes Soon Than Therefore Thus Too Toward Unless Unlike Us Usually Very Via Whatever
    Whenever Wherever Whether Whose Within Added Agreed Answered Assured Informed Met Notified Promised Reached Reminded
    Rang Talked Told Wrote Escalated Approved Assigned Signed Forwarded
    Colleague Beneficiary Cardholder Cc Fwd Hallo Bonjour Hola Good Morning Afternoon Evening Per See Seen Sent Said Says
    """.split()
)

PARTICLES = frozenset("de del della der den di da do dos du la le van von zu zum ten ter bin ibn al el bint".split())

SERVICES = tuple(
    """
    payments-gateway card-ledger sepa-clearing fx-rates customer-portal mobile-login fraud-scoring loan-origination
    statement-archive limit-check notification-hub trade-settlement kyc-documents atm-switch treasury-report
    """.split()
)
HOSTS = tuple(
    "pay-01 pay-02 led-03 clr-01 fx-07 web-11 web-12 mob-04 frd-02 loan-05 arc-09 lim-01 not-03 trd-06".split()
)
TEAMS = ("Payments", "Cards", "Clearing", "Treasury", "Digital", "Risk", "Lending", "Platform", "Operations")
TOOLS = (
    "Jenkins",
    "Kafka",
    "Grafana",
    "Cassandra",
    "Vault",
    "Ansible",
    "Airflow",
    "Kibana",
    "Artemis",
    "Apollo",
    "Hermes",
)
